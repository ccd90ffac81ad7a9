package pages

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// held reads a live consent of a person, and one scope of it if one is named.
func (h *handler) held(c *gin.Context, who grants.Person, scope string) (*models.Consent, error) {
	held, err := h.Store.Consent(c.Request.Context(), c.Param("id"))
	if err != nil {
		return nil, err
	}
	// SECURITY: only the user's own. Whose it is never changes.
	if held.SubjectID != who.UserID || held.RevokedAt != 0 || held.ExpiresAt <= h.Store.Now() || (scope != "" && !slices.Contains(held.Scopes, scope)) {
		return nil, models.ErrNotFound
	}
	return held, nil
}

// askConsent shows what would fall with a consent, or with one scope of it.
func (h *handler) askConsent(c *gin.Context, who grants.Person) {
	ctx, scope := c.Request.Context(), c.Query("scope")
	held, err := h.held(c, who, scope)
	if err != nil {
		h.nothing(c, err)
		return
	}
	view := Revoke{Kind: RevokeConsent, Action: "/account/consents/" + held.ID + "/revoke", Scope: scope}
	said := h.names(ctx)
	s := said.service(held.ResourceID)
	what := Taken{Service: s.Name, Scopes: s.words(held.Scopes)}
	if scope != "" {
		view.Kind, what.Scopes = RevokeScope, s.words([]string{scope})
	}
	view.What = []Taken{what}
	h.showRevoke(c, who, said, view, held.ClientID, held.ID)
}

// askAgent shows what would fall with everything given to an agent.
func (h *handler) askAgent(c *gin.Context, who grants.Person) {
	ctx := c.Request.Context()
	consents, err := h.consents(ctx, who.UserID, c.Param("id"))
	if err == nil && len(consents) == 0 {
		err = models.ErrNotFound
	}
	if err != nil {
		h.nothing(c, err)
		return
	}
	view := Revoke{Kind: RevokeAgent, Action: "/account/agents/" + url.PathEscape(c.Param("id")) + "/revoke"}
	said := h.names(ctx)
	for _, held := range consents {
		s := said.service(held.ResourceID)
		view.What = append(view.What, Taken{Service: s.Name, Scopes: s.words(held.Scopes)})
	}
	h.showRevoke(c, who, said, view, c.Param("id"), "")
}

func (h *handler) showRevoke(c *gin.Context, who grants.Person, said *names, view Revoke, clientID, consentID string) {
	ctx := c.Request.Context()
	_, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	client, err := h.Store.Client(ctx, clientID)
	if err != nil {
		h.broken(c, err)
		return
	}
	live, err := h.Store.OpenTokens(ctx, who.UserID, clientID, consentID)
	if err == nil {
		err = said.err
	}
	if err != nil {
		h.broken(c, err)
		return
	}
	view.Member, view.Agent, view.Live = member, party(client), int(live)
	h.Render.Page(c, http.StatusOK, "revoke", view)
}

// revokeConsent takes back a consent, or one scope of it.
func (h *handler) revokeConsent(c *gin.Context, who grants.Person) {
	ctx, scope := c.Request.Context(), form(c, "scope")
	held, err := h.held(c, who, scope)
	if err != nil {
		h.nothing(c, err)
		return
	}
	by, err := h.may(c, who, "revokeConsent", held.ID)
	if err == nil {
		err = h.Store.RevokeConsent(ctx, by, held.ID, scope)
	}
	if err != nil {
		h.notDone(c, err)
		return
	}
	said := h.names(ctx)
	s := said.service(held.ResourceID)
	done := &Notice{Code: "consent_revoked", Name: s.Name, Good: true}
	if scope != "" {
		done.Code, done.Name = "scope_revoked", s.scope(scope).Words
	}
	h.showAgent(c, who, held.ClientID, -1, done)
}

// revokeAgent takes back everything an agent was ever given.
func (h *handler) revokeAgent(c *gin.Context, who grants.Person) {
	ctx := c.Request.Context()
	client, err := h.known(ctx, who, c.Param("id"))
	if err != nil {
		h.nothing(c, err)
		return
	}
	by, err := h.may(c, who, "revokeAgent", client.ID)
	if err == nil {
		err = h.Store.RevokeAgent(ctx, by, who.UserID, client.ID)
	}
	if err != nil {
		h.notDone(c, err)
		return
	}
	h.showAgents(c, who, &Notice{Code: "agent_revoked", Name: client.Name, Good: true})
}
