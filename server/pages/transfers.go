package pages

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/people"
)

var (
	transferID = regexp.MustCompile(`^trf_[0-9a-z]{26}$`)
	ownedID    = regexp.MustCompile(`^(agt|app)_[0-9a-z]{26}$`)
)

// owning is the local path of an agent or an offer, "" if the id is neither's.
func owning(id string) string {
	switch {
	case transferID.MatchString(id):
		return "/account/transfers/" + id
	case ownedID.MatchString(id):
		return "/account/agents/" + id
	}
	return ""
}

// transfer shows somebody what they are asked to answer for.
func (h *handler) transfer(c *gin.Context, who grants.Person) {
	h.showTransfer(c, who, c.Param("id"), http.StatusOK, Form{})
}

func (h *handler) showTransfer(c *gin.Context, who grants.Person, id string, status int, f Form) {
	ctx := c.Request.Context()
	t, err := h.Store.Transfer(ctx, id)
	if err == nil && (t.ToID == nil || *t.ToID != who.UserID) { // SECURITY: only who is asked.
		err = models.ErrNotFound
	}
	if err != nil {
		h.nothing(c, err)
		return
	}
	client, err := h.Store.Client(ctx, t.ClientID)
	if err != nil {
		h.broken(c, err)
		return
	}
	_, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	said := h.names(ctx)
	view := TransferPage{
		Form: f, Member: member, ID: t.ID, State: t.Now(h.Store.Now()), Agent: party(client), Purpose: client.Purpose, Sponsor: client.Sponsor,
		Owner: said.owner(client), By: said.anybody(t.OfferedBy), ByOwner: t.Named != "", Until: day(t.ExpiresAt),
	}
	if view.State == models.TransferOpen {
		view.Alone = said.alone(client)
		h.allMay(said, client.ID, &view)
	}
	if said.err != nil {
		h.broken(c, said.err)
		return
	}
	h.Render.Page(c, status, "transfer", view)
}

// alone tells that nobody answers for a client who could.
func (n *names) alone(client *models.Client) bool {
	if client.OwnerID == nil {
		return true
	}
	u, err := n.store.User(n.ctx, *client.OwnerID)
	return !n.missing(err) && (u.Status != models.StatusActive || u.ExpiresAt <= n.store.Now())
}

// allMay fills in everything that a client may do, for itself or for people.
func (h *handler) allMay(said *names, id string, view *TransferPage) {
	for page := (models.Page{Limit: 200}); ; {
		rows, next, err := h.Store.EffectiveScopes(said.ctx, id, page)
		if said.missing(err) {
			return
		}
		for _, row := range rows {
			s := said.service(row.ResourceID)
			if n := len(view.Services); n == 0 || view.Services[n-1].Service.ID != s.ID {
				view.Services = append(view.Services, Asked{Service: s.Party})
			}
			last := &view.Services[len(view.Services)-1]
			last.Scopes = append(last.Scopes, s.scope(row.Scope))
			view.Risky = view.Risky || row.Risk == models.RiskHigh
		}
		if page.After = next; next == "" {
			return
		}
	}
}

// acceptAgent makes the person who is asked answer for an agent.
func (h *handler) acceptAgent(c *gin.Context, who grants.Person) {
	h.answerOffer(c, who, "acceptAgent", h.Store.AcceptTransfer, "agent_accepted")
}

// declineAgent leaves everything as it is.
func (h *handler) declineAgent(c *gin.Context, who grants.Person) {
	h.answerOffer(c, who, "declineAgent", h.Store.DeclineTransfer, "agent_declined")
}

type answerer func(ctx context.Context, by models.By, id, userID string) (*models.Transfer, error)

func (h *handler) answerOffer(c *gin.Context, who grants.Person, what string, answer answerer, done string) {
	ctx, id := c.Request.Context(), c.Param("id")
	by, err := h.may(c, who, what, id)
	var t *models.Transfer
	if err == nil {
		t, err = answer(ctx, by, id, who.UserID)
	}
	switch {
	case errors.Is(err, models.ErrUsed):
		h.showTransfer(c, who, id, http.StatusConflict, Form{})
		return
	case errors.Is(err, models.ErrNotFound):
		h.nothing(c, err)
		return
	case err != nil:
		h.wrong(c, err, func(status int, f Form) { h.showTransfer(c, who, id, status, f) })
		return
	}
	client, err := h.Store.Client(ctx, t.ClientID)
	if err != nil {
		h.broken(c, err)
		return
	}
	h.showAgents(c, who, &Notice{Code: done, Name: client.Name, Good: true})
}

// offerAgent asks somebody to answer for an agent in the place of the person who does.
// What is answered does not tell whether anybody is called so.
func (h *handler) offerAgent(c *gin.Context, who grants.Person) {
	ctx, to := c.Request.Context(), strings.TrimSpace(form(c, "to"))
	client, err := h.known(ctx, who, c.Param("id"))
	if err != nil {
		h.nothing(c, err)
		return
	}
	by, err := h.may(c, who, "offerAgent", client.ID)
	if err == nil && to == "" {
		err = &people.Problem{Reason: "required", Field: "to"}
	}
	if err == nil {
		err = h.Accounts.OfferTo(ctx, by, client.ID, to)
	}
	var invalid *models.Invalid
	switch {
	case errors.As(err, &invalid):
		err = &people.Problem{Reason: "offer_unfit", Field: "to"}
	case errors.Is(err, models.ErrNotFound):
		h.nothing(c, err)
		return
	}
	if err != nil {
		h.wrong(c, err, func(status int, f Form) { h.showAgentWith(c, who, client.ID, status, f) })
		return
	}
	h.showAgent(c, who, client.ID, -1, &Notice{Code: "agent_offered", Name: to, Good: true})
}

// withdrawOffer takes back what offerAgent did, while nobody has answered.
func (h *handler) withdrawOffer(c *gin.Context, who grants.Person) {
	ctx, id := c.Request.Context(), c.Param("id")
	by, err := h.may(c, who, "withdrawOffer", id)
	var t *models.Transfer
	if err == nil {
		t, err = h.Store.CancelTransfer(ctx, by, id, who.UserID)
	}
	if errors.Is(err, models.ErrUsed) { // answered, or over, meanwhile: the account shows whose it is
		h.to(c, "/account")
		return
	}
	if err != nil {
		h.notDone(c, err)
		return
	}
	h.showAgent(c, who, t.ClientID, -1, &Notice{Code: "offer_withdrawn", Name: t.Named, Good: true})
}

// answering is what the page of an agent shows to who answers for it; nil to others.
func (h *handler) answering(said *names, who grants.Person, client *models.Client) *Answering {
	if client.OwnerID == nil || *client.OwnerID != who.UserID || client.Status == models.StatusDecommissioned {
		return nil
	}
	return &Answering{Sponsor: client.Sponsor, Open: h.openOffer(said, who, client.ID)}
}

// openOffer is the offer of a client that waits, as its owner may see it.
func (h *handler) openOffer(said *names, who grants.Person, id string) *OpenOffer {
	rows, _, err := h.Store.Transfers(said.ctx, models.TransferFilter{ClientID: id, State: models.TransferOpen}, models.Page{Limit: 1})
	if said.missing(err) || len(rows) == 0 {
		return nil
	}
	return said.open(rows[0], who)
}

func (n *names) open(t models.Transfer, who grants.Person) *OpenOffer {
	if t.Named != "" && t.OfferedBy == who.UserID {
		return &OpenOffer{ID: t.ID, To: t.Named, Until: day(t.ExpiresAt)}
	}
	out := &OpenOffer{To: unknown, Until: day(t.ExpiresAt)}
	if t.ToID != nil {
		out.To = n.anybody(*t.ToID)
	}
	return out
}

// offers are those that wait for a person's answer.
func (h *handler) offers(said *names, userID string) (out []OfferCard) {
	for page := (models.Page{Limit: 200}); ; {
		// SECURITY: only the user's own.
		rows, next, err := h.Store.Transfers(said.ctx, models.TransferFilter{ToID: userID, State: models.TransferOpen}, page)
		if said.missing(err) {
			return nil
		}
		for _, t := range rows {
			out = append(out, OfferCard{ID: t.ID, Agent: said.party(t.ClientID), By: said.anybody(t.OfferedBy), Until: day(t.ExpiresAt)})
		}
		if page.After = next; next == "" {
			return out
		}
	}
}

// owned are the agents and applications that a person answers for.
func (h *handler) owned(said *names, who grants.Person) (out []OwnedCard) {
	offered := map[string]string{} // to whom, by client
	for page := (models.Page{Limit: 200}); ; {
		rows, next, err := h.Store.Transfers(said.ctx, models.TransferFilter{FromID: who.UserID, State: models.TransferOpen}, page)
		if said.missing(err) {
			return nil
		}
		for _, t := range rows {
			offered[t.ClientID] = said.open(t, who).To
		}
		if page.After = next; next == "" {
			break
		}
	}
	for page := (models.Page{Limit: 200}); ; {
		// SECURITY: only the user's own.
		rows, next, err := h.Store.Clients(said.ctx, models.ClientFilter{OwnerID: who.UserID}, page)
		if said.missing(err) {
			return nil
		}
		for i := range rows {
			client := &rows[i]
			if client.Status == models.StatusDecommissioned {
				continue
			}
			out = append(out, OwnedCard{
				Agent: party(client), Status: standing(client, h.Store.Now()), Until: day(client.ExpiresAt), Forever: client.ExpiresAt >= models.Never, Offered: offered[client.ID],
			})
		}
		if page.After = next; next == "" {
			return out
		}
	}
}
