package pages

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// logout is OpenID Connect RP-Initiated Logout: at once where the client shows
// that it is this session that it is about, else after asking.
func (h *handler) logout(c *gin.Context) {
	req, problem := oauth.ParseLogout(c.Request.URL.RawQuery)
	if len(req.UILocales) > 0 {
		SetLocales(c, strings.Join(req.UILocales, " "))
	}
	who, err := h.People.Person(c.Request.Context(), h.cookie(c, sessionCookie))
	if err != nil {
		h.broken(c, err)
		return
	}
	if problem != nil {
		h.cannotLeave(c, problem)
		return
	}
	out, err := h.Visits.Leave(c.Request.Context(), req, who)
	if err != nil {
		h.cannotLeave(c, err)
		return
	}
	if who != nil && !out.Sure {
		h.askToLeave(c, req, out)
		return
	}
	if !h.ended(c) {
		return
	}
	if out.To != "" { // no form was sent, so no policy of a page is in the way
		c.Redirect(http.StatusSeeOther, out.To)
		return
	}
	h.Render.Page(c, http.StatusOK, "signedout", SignedOut{})
}

// logoutPosted is the same by POST. Another site's form brings no cookie; whoever
// is there shows on the way on.
func (h *handler) logoutPosted(c *gin.Context) {
	query, problem := oauth.LogoutQuery(c.Request)
	if problem != nil || len(c.Request.URL.RawQuery) > 0 {
		h.Render.Page(c, http.StatusBadRequest, "error", Failure{Code: "bad_request"})
		return
	}
	h.to(c, "/oauth2/logout?"+query)
}

func (h *handler) askToLeave(c *gin.Context, req oauth.LogoutRequest, out *grants.Leaving) {
	said := h.names(c.Request.Context())
	view := Logout{ClientID: out.ClientID, Redirect: req.Redirect, State: req.State}
	if out.ClientID != "" {
		view.Agent = said.client(out.ClientID)
	}
	if said.err != nil {
		h.broken(c, said.err)
		return
	}
	h.Render.Page(c, http.StatusOK, "logout", view)
}

// signOut ends the session and takes its cookie away. Where a client had asked for
// it, a page leads back there: a redirect after a form would be stopped by its policy.
func (h *handler) signOut(c *gin.Context) {
	req := oauth.LogoutRequest{ClientID: form(c, "client_id"), Redirect: form(c, "post_logout_redirect_uri"), State: form(c, "state")}
	out, err := h.Visits.Leave(c.Request.Context(), req, nil)
	if err != nil {
		h.cannotLeave(c, err)
		return
	}
	if !h.ended(c) {
		return
	}
	if out.To == "" {
		h.Render.Page(c, http.StatusOK, "signedout", SignedOut{})
		return
	}
	said := h.names(c.Request.Context())
	page, err := NewContinue(out.To, said.client(out.ClientID), Left)
	if err = cmp.Or(err, said.err); err != nil {
		h.broken(c, err)
		return
	}
	h.Render.Page(c, http.StatusOK, "continue", page)
}

// ended ends the session, if there is one.
func (h *handler) ended(c *gin.Context) bool {
	secret := h.cookie(c, sessionCookie)
	if err := h.People.SignOut(c.Request.Context(), h.Call(c), secret); err != nil {
		h.broken(c, err)
		return false
	}
	if secret != "" {
		h.drop(c, sessionCookie)
	}
	return true
}

// cannotLeave tells of a request that leads nowhere: nothing was ended.
func (h *handler) cannotLeave(c *gin.Context, err error) {
	var problem *oauth.Error
	if !errors.As(err, &problem) || problem.Status() >= http.StatusInternalServerError {
		if problem != nil && problem.Code == oauth.TemporarilyUnavailable {
			err = errors.Join(models.ErrUnavailable, err)
		}
		h.broken(c, err)
		return
	}
	code := "bad_request"
	if problem.Reason == "redirect_unknown" {
		code = "redirect_mismatch"
	}
	h.Render.Page(c, problem.Status(), "error", Failure{Code: code, Detail: problem.Description})
}
