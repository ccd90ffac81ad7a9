package pages

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// agents is who may act for a person.
func (h *handler) agents(c *gin.Context, who grants.Person) { h.showAgents(c, who, nil) }

func (h *handler) showAgents(c *gin.Context, who grants.Person, done *Notice) {
	_, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	member.Notice = done
	cards, err := h.cards(c.Request.Context(), who.UserID)
	if err != nil {
		h.broken(c, err)
		return
	}
	said := h.names(c.Request.Context())
	view := Agents{Member: member, Agents: cards, Offers: h.offers(said, who.UserID), Owned: h.owned(said, who)}
	if said.err != nil {
		h.broken(c, said.err)
		return
	}
	h.Render.Page(c, http.StatusOK, "agents", view)
}

func (h *handler) cards(ctx context.Context, userID string) ([]AgentCard, error) {
	consents, err := h.consents(ctx, userID, "")
	if err != nil {
		return nil, err
	}
	uses, err := h.Store.LastUses(ctx, userID)
	if err != nil {
		return nil, err
	}
	said, cards := h.names(ctx), map[string]*AgentCard{}
	for _, held := range consents {
		card := cards[held.ClientID]
		if card == nil {
			client, err := h.Store.Client(ctx, held.ClientID)
			if err != nil {
				return nil, err
			}
			card = &AgentCard{Agent: party(client), Owner: said.owner(client), Status: standing(client, h.Store.Now()), Since: day(held.CreatedAt), Until: day(held.ExpiresAt)}
			card.Used = used(uses, client.ID, "")
			cards[client.ID] = card
		}
		card.Scopes += len(held.Scopes)
		card.Since, card.Until = earlier(card.Since, day(held.CreatedAt)), later(card.Until, day(held.ExpiresAt))
		if name := said.service(held.ResourceID).Name; !slices.Contains(card.Services, name) {
			card.Services = append(card.Services, name)
		}
	}
	out := make([]AgentCard, 0, len(cards))
	for _, card := range cards {
		out = append(out, *card)
	}
	slices.SortFunc(out, func(a, b AgentCard) int { return cmp.Compare(a.Agent.Name, b.Agent.Name) })
	return out, said.err
}

// consents are those of a user that count, to one client if it is named.
func (h *handler) consents(ctx context.Context, userID, clientID string) (all []models.Consent, err error) {
	page := models.Page{Limit: 200}
	for {
		// SECURITY: only the user's own.
		rows, next, err := h.Store.Consents(ctx, models.ConsentFilter{SubjectID: userID, ClientID: clientID, Live: true}, page)
		if err != nil {
			return nil, err
		}
		if all = append(all, rows...); next == "" {
			return all, nil
		}
		page.After = next
	}
}

func party(client *models.Client) Party { return Party{ID: client.ID, Name: client.Name} }

// standing is a client's status as people are told it.
func standing(client *models.Client, now int64) string {
	if client.Status == models.StatusActive && client.ExpiresAt <= now {
		return "expired"
	}
	return client.Status
}

func day(unix int64) time.Time { return time.Unix(unix, 0) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// used is when a client last got a token, at one service or at any; zero: never.
func used(uses []models.Use, clientID, resourceID string) (last time.Time) {
	for _, u := range uses {
		if u.ClientID == clientID && (resourceID == "" || u.ResourceID == resourceID) {
			last = later(last, day(u.At))
		}
	}
	return last
}

// names looks up what things are called, each once. err is the first fault.
type names struct {
	ctx      context.Context
	store    *models.Store
	host     string // of the issuer
	services map[string]*service
	people   map[string]string
	clients  map[string]string
	err      error
}

type service struct {
	Party
	scopes map[string]models.Scope
}

func (h *handler) names(ctx context.Context) *names {
	return &names{ctx: ctx, store: h.Store, host: h.host, services: map[string]*service{}, people: map[string]string{}, clients: map[string]string{}}
}

// missing notes a fault; that something is gone is none.
func (n *names) missing(err error) bool {
	if err != nil && !errors.Is(err, models.ErrNotFound) && n.err == nil {
		n.err = err
	}
	return err != nil
}

func (n *names) owner(client *models.Client) string {
	if client.OwnerID == nil {
		return ""
	}
	return n.person(*client.OwnerID)
}

func (n *names) person(id string) string {
	name, ok := n.people[id]
	if !ok {
		if u, err := n.store.User(n.ctx, id); !n.missing(err) {
			name = cmp.Or(u.Name, u.Username)
		}
		n.people[id] = name
	}
	return name
}

func (n *names) client(id string) string {
	name, ok := n.clients[id]
	if !ok {
		name = unknown
		if client, err := n.store.Client(n.ctx, id); !n.missing(err) {
			name = client.Name
		}
		n.clients[id] = name
	}
	return name
}

// unknown stands for what is no longer there, or was never told.
const unknown = "–"

func (n *names) service(id string) *service {
	s := n.services[id]
	if s != nil {
		return s
	}
	s = &service{Party: Party{ID: id, Name: unknown}, scopes: map[string]models.Scope{}}
	n.services[id] = s
	if id == "" {
		return s
	}
	r, err := n.store.ResourceServer(n.ctx, id)
	if n.missing(err) {
		return s
	}
	s.Name = r.Name
	if id == models.SelfID || id == models.OpenIDID { // people know Deputy by where it is
		s.Name = n.host
	}
	for page := (models.Page{Limit: 200}); ; {
		rows, next, err := n.store.Scopes(n.ctx, id, page)
		if n.missing(err) {
			return s
		}
		for _, row := range rows {
			s.scopes[row.Name] = row
		}
		if next == "" {
			return s
		}
		page.After = next
	}
}

// scope is one in plain words, or by its name if nobody has described it.
func (s *service) scope(name string) Scope {
	row := s.scopes[name]
	return Scope{Value: name, Name: name, Words: cmp.Or(row.Description, name), Risk: cmp.Or(row.Risk, "other")}
}

func (s *service) words(scopes []string) []string {
	out := make([]string, 0, len(scopes))
	for _, name := range scopes {
		out = append(out, s.scope(name).Words)
	}
	if len(out) == 0 {
		return []string{unknown}
	}
	return out
}
