package pages

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// deedsAtOnce is how much of what an agent did stands on one page.
const deedsAtOnce = 20

// agent is what one agent may do for a person, and what it did.
func (h *handler) agent(c *gin.Context, who grants.Person) {
	before, err := strconv.ParseInt(c.Query("before"), 10, 64)
	if err != nil || before <= 0 {
		before = -1
	}
	h.showAgent(c, who, c.Param("id"), before, nil)
}

func (h *handler) showAgent(c *gin.Context, who grants.Person, id string, before int64, done *Notice) {
	h.renderAgent(c, who, id, before, http.StatusOK, AgentPage{Member: Member{Notice: done}})
}

// showAgentWith shows what was wrong with a form of the page.
func (h *handler) showAgentWith(c *gin.Context, who grants.Person, id string, status int, f Form) {
	h.renderAgent(c, who, id, -1, status, AgentPage{Form: f})
}

// renderAgent fills in the view, which says what was done, or what was wrong.
func (h *handler) renderAgent(c *gin.Context, who grants.Person, id string, before int64, status int, view AgentPage) {
	ctx := c.Request.Context()
	client, err := h.known(ctx, who, id)
	if err != nil {
		h.nothing(c, err)
		return
	}
	_, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	said := h.names(ctx)
	member.Notice = view.Notice
	view.Member, view.Agent, view.Owner, view.Purpose, view.Status = member, party(client), said.owner(client), client.Purpose, standing(client, h.Store.Now())
	view.Answering = h.answering(said, who, client)
	if err := h.fill(ctx, who, said, &view, before); err != nil {
		h.broken(c, err)
		return
	}
	h.Render.Page(c, status, "agent", view)
}

func (h *handler) fill(ctx context.Context, who grants.Person, said *names, view *AgentPage, before int64) error {
	id := view.Agent.ID
	consents, err := h.consents(ctx, who.UserID, id)
	if err != nil {
		return err
	}
	uses, err := h.Store.LastUses(ctx, who.UserID)
	if err != nil {
		return err
	}
	for _, held := range consents {
		s := said.service(held.ResourceID)
		one := Held{ID: held.ID, Service: s.Party, Since: day(held.CreatedAt), Until: day(held.ExpiresAt), Used: used(uses, id, held.ResourceID)}
		if held.PreapprovedBy != "" {
			one.PreApprovedBy = said.anybody(held.PreapprovedBy)
		}
		for _, name := range held.Scopes {
			one.Scopes = append(one.Scopes, s.scope(name))
		}
		view.Consents = append(view.Consents, one)
	}
	live, err := h.Store.OpenTokens(ctx, who.UserID, id, "")
	if err != nil {
		return err
	}
	rows, older, err := h.Store.Deeds(ctx, who.UserID, id, before, deedsAtOnce)
	if err != nil {
		return err
	}
	for _, row := range rows {
		view.Deeds = append(view.Deeds, said.deed(row, id))
	}
	view.Live = int(live)
	if older > 0 {
		view.Older = fmt.Sprintf("/account/agents/%s?before=%d", url.PathEscape(id), older)
	}
	return said.err
}

// anybody is the name of a user or client.
func (n *names) anybody(id string) string {
	if models.HasPrefix(id, models.PrefixUser) {
		return n.person(id)
	}
	return n.client(id)
}

// known reads an agent that a person has, or had, something to do with, or answers for.
// Of others they are not told that they exist.
func (h *handler) known(ctx context.Context, who grants.Person, id string) (*models.Client, error) {
	// SECURITY: only the user's own.
	rows, _, err := h.Store.Consents(ctx, models.ConsentFilter{SubjectID: who.UserID, ClientID: id}, models.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	client, err := h.Store.Client(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case id == "" || len(rows) == 0 && (client.OwnerID == nil || *client.OwnerID != who.UserID):
		return nil, models.ErrNotFound
	}
	return client, nil
}

// nothing answers that there is no such thing, if that is what is wrong.
func (h *handler) nothing(c *gin.Context, err error) {
	if !errors.Is(err, models.ErrNotFound) {
		h.broken(c, err)
		return
	}
	h.Render.Page(c, http.StatusNotFound, "error", Failure{Code: "not_found", Back: "/account"})
}

// told is what an entry of the ledger says that people are told.
type told struct {
	Input struct {
		Request struct {
			Resources []string `json:"resources"`
			Scopes    []string `json:"scopes"`
		} `json:"request"`
	} `json:"input"`
	Decision struct {
		Scopes []string `json:"scopes"`
	} `json:"decision"`
	Before *models.Consent `json:"before"`
	After  *models.Consent `json:"after"`
}

// deed tells an entry about an agent in words.
func (n *names) deed(e models.Entry, agentID string) Deed {
	var t told
	if err := json.Unmarshal([]byte(e.Detail), &t); err != nil && n.err == nil {
		n.err = fmt.Errorf("entry %s: %w", e.ID, err)
	}
	d := Deed{At: time.UnixMilli(e.At)}
	s := n.service(e.ResourceID)
	switch {
	case e.Kind == models.KindChange:
		s = n.service(t.After.ResourceID)
		d.Kind, d.What = DeedAsked, s.words(t.After.Scopes)
		switch own := e.SubjectID == t.After.SubjectID; {
		case e.Action == models.ActionPreapprove:
			d.Kind, d.To = DeedInPlace, cmp.Or(n.anybody(cmp.Or(e.SubjectID, e.ClientID)), unknown)
		case e.Action != models.ActionGiveConsent && own:
			d.Kind, d.What = DeedRevoked, s.words(t.gone())
		case e.Action != models.ActionGiveConsent:
			d.Kind, d.What, d.To = DeedEnded, s.words(t.gone()), cmp.Or(n.anybody(cmp.Or(e.SubjectID, e.ClientID)), unknown)
		}
	case e.Outcome == models.OutcomeRefused:
		d.Kind, d.What = DeedRefused, s.words(t.Input.Request.Scopes)
	case e.ClientID != agentID:
		d.Kind, d.What, d.To = DeedPassed, s.words(t.Decision.Scopes), n.client(e.ClientID)
	default:
		d.Kind, d.What = DeedToken, s.words(t.Decision.Scopes)
	}
	d.Service = s.Name
	if asked := t.Input.Request.Resources; d.Service == unknown && len(asked) > 0 {
		d.Service = strings.Join(asked, ", ")
	}
	return d
}

// gone are the scopes that were taken back.
func (t told) gone() []string {
	if t.Before == nil || t.After.RevokedAt != 0 {
		return t.After.Scopes
	}
	return slices.DeleteFunc(slices.Clone(t.Before.Scopes), func(s string) bool { return slices.Contains(t.After.Scopes, s) })
}
