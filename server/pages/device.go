package pages

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/people"
)

// devicePlace is where a sign-in leads back to the page for codes of devices, with
// the code that somebody came with.
const devicePlace = "device"

var deviceCode = regexp.MustCompile(`^[A-Za-z]{4}-?[A-Za-z]{4}$`)

// deviceReturn is the place of a code; of nothing else that somebody may have typed.
func deviceReturn(code string) string {
	if deviceCode.MatchString(code) {
		return devicePlace + "." + code
	}
	return devicePlace
}

// deviceTarget is the local path of a place that deviceReturn made, "" of any other.
func deviceTarget(id string) string {
	place, code, found := strings.Cut(id, ".")
	switch {
	case place != devicePlace || found && !deviceCode.MatchString(code):
		return ""
	case found:
		return "/device?user_code=" + url.QueryEscape(code)
	}
	return "/device"
}

// device shows where the code of a device is entered (RFC 8628 section 3.3). A link
// may bring it; it is sent by the person alone.
func (h *handler) device(c *gin.Context) {
	code := c.Query("user_code")
	if !deviceCode.MatchString(code) {
		code = ""
	}
	if who, ok := h.entering(c, code); ok {
		h.showDevice(c, who, http.StatusOK, Form{}, code)
	}
}

// claim takes the code.
func (h *handler) claim(c *gin.Context) {
	code := strings.TrimSpace(form(c, "user_code"))
	who, ok := h.entering(c, code)
	if !ok {
		return
	}
	id, err := h.Approvals.Claim(c.Request.Context(), h.Call(c), code, who)
	if err == nil {
		h.to(c, "/approvals/"+id)
		return
	}
	var refused *oauth.Error
	switch {
	case errors.Is(err, models.ErrNotFound):
		err = &people.Problem{Reason: "user_code_unknown", Field: "user_code"}
	case errors.As(err, &refused) && refused.Status() == http.StatusTooManyRequests:
		err = &people.Problem{Reason: "busy", Field: "user_code", Wait: max(time.Second, time.Duration(refused.RetryAfter)*time.Second)}
	case errors.As(err, &refused) && refused.Status() < http.StatusInternalServerError:
		h.unapproved(c, err)
		return
	}
	h.wrong(c, err, func(status int, f Form) { h.showDevice(c, who, status, f, code) })
}

// entering is who enters a code; they sign in first.
func (h *handler) entering(c *gin.Context, code string) (grants.Person, bool) {
	who, err := h.People.Person(c.Request.Context(), h.cookie(c, sessionCookie))
	switch {
	case err != nil:
		h.broken(c, err)
	case who == nil:
		h.to(c, withReturn("/login", deviceReturn(code)))
	default:
		return *who, true
	}
	return grants.Person{}, false
}

func (h *handler) showDevice(c *gin.Context, who grants.Person, status int, f Form, code string) {
	_, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	h.Render.Page(c, status, "device", Device{Form: f, Member: member, Code: code[:min(len(code), 32)]})
}
