package pages

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/people"
	"github.com/deputyauth/deputy/server/upstream"
)

// upstreamCookie holds what must be known of somebody who comes back from a provider.
const upstreamCookie = "deputy_upstream"

// providers are the buttons of those that one can sign in with.
func (h *handler) providers(c *gin.Context) ([]Provider, error) {
	rows, err := h.People.Providers(c.Request.Context())
	var out []Provider
	for _, row := range rows {
		out = append(out, Provider{Name: row.Name, Path: "/login/upstream/" + row.ID})
	}
	return out, err
}

// signInUpstream sends somebody to a provider to sign in.
func (h *handler) signInUpstream(c *gin.Context) {
	view, ok := h.signInView(c, form(c, "return"))
	if !ok {
		return
	}
	to := people.Journey{Return: view.Return, Anew: view.Again, Strong: view.Strong, Locales: c.GetString(localesKey)}
	if view.Waiting != nil {
		to.Hint = view.Username
	}
	h.setOut(c, to)
}

// linkUpstream sends somebody who is signed in to a provider, to link who they are there.
func (h *handler) linkUpstream(c *gin.Context, who grants.Person) {
	if _, err := h.may(c, who, "linkIdentity", ""); err != nil {
		h.wrong(c, err, func(status int, f Form) { h.showSecurity(c, who, status, f, nil) })
		return
	}
	h.setOut(c, people.Journey{Links: &who})
}

// setOut leaves for a provider by a page of its own: browsers hold a redirect that
// follows a form to the policy of that form's page.
func (h *handler) setOut(c *gin.Context, to people.Journey) {
	address, cookie, err := h.People.SetOut(c.Request.Context(), h.Call(c), c.Param("id"), to)
	if err != nil {
		h.lost(c, err, to.Return)
		return
	}
	u, err := url.Parse(address)
	if err != nil {
		h.broken(c, err)
		return
	}
	h.set(c, upstreamCookie, cookie, people.JourneyLife)
	h.Render.Page(c, http.StatusOK, "leaving", Leaving{Host: u.Host, Link: template.URL(address)})
}

// arrive is where a provider sends people back to.
func (h *handler) arrive(c *gin.Context) {
	q := c.Request.URL.Query()
	for _, values := range q {
		if len(values) > 1 { // RFC 6749 section 3.1
			h.lost(c, &people.Problem{Reason: string(upstream.WrongState)}, "")
			return
		}
	}
	answer := upstream.Answer{State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error")}
	cookie := h.cookie(c, upstreamCookie)
	in, err := h.People.Arrive(c.Request.Context(), h.Call(c), h.browser(c), c.Param("id"), cookie, answer, func(who *grants.Person) (models.By, error) {
		return h.may(c, *who, "linkIdentity", "")
	})
	if err != nil {
		h.lost(c, err, "")
		return
	}
	h.drop(c, upstreamCookie)
	switch {
	case in.SignedIn == nil:
		h.to(c, "/account/security")
	case in.Pending != "":
		h.set(c, signinCookie, in.Pending, people.SecondStep)
		h.to(c, withReturn("/login/otp", h.returned(in.Return)))
	default:
		h.entered(c, in.SignedIn)
		h.to(c, h.target(in.Return))
	}
}

// lost tells somebody that a provider did not lead them in.
func (h *handler) lost(c *gin.Context, err error, back string) {
	var p *people.Problem
	if !errors.As(err, &p) {
		h.broken(c, err)
		return
	}
	view := Failure{Code: p.Reason, Back: withReturn("/login", h.returned(back))}
	status := http.StatusBadRequest
	switch p.Reason {
	case signInTooOld, loginRequired:
		h.to(c, withReturn("/login", "security"))
		return
	case "upstream_down":
		status = http.StatusBadGateway
	case "upstream_gone":
		status = http.StatusNotFound
	case "upstream_unlinked":
		status = http.StatusForbidden
	case "identity_taken":
		status, view.Back = http.StatusConflict, "/account/security"
	case string(upstream.Denied), string(upstream.NotAnew):
	default: // what exactly was wrong is in the ledger
		view.Code = "upstream_wrong"
	}
	h.Render.Page(c, status, "error", view)
}

// unlink ends that somebody can sign in with a provider.
func (h *handler) unlink(c *gin.Context, who grants.Person) {
	by, err := h.may(c, who, "unlinkIdentity", c.Param("id"))
	if err == nil {
		err = h.Store.UnlinkIdentity(c.Request.Context(), by, who.UserID, c.Param("id"))
	}
	if err != nil && !errors.Is(err, models.ErrNotFound) {
		h.wrong(c, err, func(status int, f Form) { h.showSecurity(c, who, status, f, nil) })
		return
	}
	h.to(c, "/account/security")
}

// linked adds to the security page with which providers somebody can sign in, and
// with which they could.
func (h *handler) linked(c *gin.Context, userID string, view *Security) error {
	ctx := c.Request.Context()
	providers, err := h.People.Providers(ctx)
	if err != nil {
		return err
	}
	rows, err := h.Store.Identities(ctx, userID)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, p := range providers {
		names[p.Issuer] = p.Name
		view.Providers = append(view.Providers, Provider{Name: p.Name, Path: "/account/identities/link/" + p.ID})
	}
	for _, row := range rows {
		name := names[row.Issuer]
		if name == "" {
			name = row.Issuer
		}
		view.Identities = append(view.Identities, Linked{ID: row.ID, Name: name, Since: day(row.CreatedAt)})
	}
	return nil
}
