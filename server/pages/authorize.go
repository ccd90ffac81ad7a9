package pages

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// visits is the local path at which an authorization request goes on, before its id.
const visits = "/oauth2/authorize/"

// authorize is the authorization endpoint: OAuth 2.1 section 4.1.1.
func (h *handler) authorize(c *gin.Context) {
	who, err := h.People.Person(c.Request.Context(), h.cookie(c, sessionCookie))
	if err != nil {
		h.broken(c, err)
		return
	}
	req, problem := oauth.ParseAuthorizationQuery(c.Request.URL.RawQuery)
	out, err := h.Visits.Arrive(c.Request.Context(), h.Call(c), req, problem, who)
	h.outcome(c, out, err, h.leave)
}

// authorizePosted is the same by POST (OpenID Connect Core section 3.1.2.1). Another
// site's form brings no cookie; whoever is there shows on the way on.
func (h *handler) authorizePosted(c *gin.Context) {
	if err := c.Request.ParseForm(); err != nil || len(c.Request.URL.RawQuery) > 0 {
		h.Render.Page(c, http.StatusBadRequest, "error", Failure{Code: "bad_request"})
		return
	}
	h.to(c, strings.TrimSuffix(visits, "/")+"?"+c.Request.PostForm.Encode())
}

// visit goes on with an authorization request, for whoever has signed in since.
func (h *handler) visit(c *gin.Context) {
	who, err := h.People.Person(c.Request.Context(), h.cookie(c, sessionCookie))
	if err != nil {
		h.broken(c, err)
		return
	}
	out, err := h.Visits.Proceed(c.Request.Context(), h.Call(c), c.Param("id"), who)
	h.outcome(c, out, err, h.bridge)
}

// answer takes what a person answered on the consent page.
func (h *handler) answer(c *gin.Context) {
	who, err := h.People.Person(c.Request.Context(), h.cookie(c, sessionCookie))
	if err != nil {
		h.broken(c, err)
		return
	}
	id, answer, ok := h.answered(c)
	if !ok {
		h.Render.Page(c, http.StatusBadRequest, "error", Failure{Code: "bad_request"})
		return
	}
	out, err := h.Visits.Answer(c.Request.Context(), h.Call(c), id, who, answer)
	h.outcome(c, out, err, h.bridge)
}

// answered reads the form: nil where the answer is no.
func (h *handler) answered(c *gin.Context) (id string, answer *policies.Answer, ok bool) {
	id = h.returned(form(c, "authorization"))
	switch form(c, "answer") {
	case "deny":
		return id, nil, id != ""
	case "allow":
		answer = ticked(c)
	}
	return id, answer, id != "" && answer != nil
}

// ticked is what a person ticked, and until when; nil if no form of ours says it so.
func ticked(c *gin.Context) *policies.Answer {
	until, err := strconv.ParseInt(form(c, "until"), 10, 64)
	if err != nil {
		return nil
	}
	answer := &policies.Answer{Scopes: []policies.Grants{}, Until: until}
	for _, pair := range c.Request.PostForm["scope"] {
		resource, scope, found := strings.Cut(pair, " ")
		if !found || len(pair) > maxTick || len(answer.Scopes) == maxTicks {
			return nil
		}
		answer.Scopes = append(answer.Scopes, policies.Grants{Resource: resource, Scope: scope})
	}
	for _, value := range c.Request.PostForm["detail"] {
		d, ok := tick(value)
		if !ok || len(answer.Details) == maxTicks {
			return nil
		}
		answer.Details = append(answer.Details, d)
	}
	return answer
}

// What one form can tick, and how long the name of one is, in bytes.
const (
	maxTicks = 1000
	maxTick  = 512
)

// outcome shows what became of an authorization request; away is how to leave for
// the client.
func (h *handler) outcome(c *gin.Context, out *grants.Outcome, err error, away func(*gin.Context, *grants.Outcome)) {
	if err != nil {
		h.over(c, err)
		return
	}
	if len(out.Visit.Request.UILocales) > 0 {
		SetLocales(c, strings.Join(out.Visit.Request.UILocales, " "))
	}
	switch {
	case out.Redirect != "":
		away(c, out)
	case out.Refusal != nil:
		h.refused(c, out)
	case len(out.SignIn) > 0:
		h.to(c, withReturn("/login", out.Visit.ID))
	case c.Request.Method == http.MethodGet && c.Param("id") == "": // an address that can be loaded again
		h.to(c, visits+out.Visit.ID)
	default:
		h.ask(c, out)
	}
}

// over tells that a request waits no more, or that the fault is ours.
func (h *handler) over(c *gin.Context, err error) {
	if !errors.Is(err, models.ErrNotFound) {
		var problem *oauth.Error
		if errors.As(err, &problem) && problem.Code == oauth.TemporarilyUnavailable {
			err = errors.Join(models.ErrUnavailable, err)
		}
		h.broken(c, err)
		return
	}
	h.Render.Page(c, http.StatusNotFound, "error", Failure{Code: "expired", Back: "/account"})
}

// leave sends the browser back to the client at once: no form has been sent to Deputy.
func (h *handler) leave(c *gin.Context, out *grants.Outcome) {
	c.Redirect(http.StatusSeeOther, out.Redirect)
}

// bridge leaves by a page of its own. Where a form was sent before, browsers hold
// what comes after to the policy of that form's page.
func (h *handler) bridge(c *gin.Context, out *grants.Outcome) {
	if slices.Contains(out.Visit.Request.Prompt, "none") {
		h.leave(c, out)
		return
	}
	said := h.names(c.Request.Context())
	how := Allowed
	switch {
	case out.Denied:
		how = Denied
	case out.Failed:
		how = Refused
	}
	page, err := NewContinue(out.Redirect, said.client(out.Visit.ClientID), how)
	if err = cmp.Or(err, said.err); err != nil {
		h.broken(c, err)
		return
	}
	h.Render.Page(c, http.StatusOK, "continue", page)
}

// clientID is what may be shown as one: not what somebody would have people read.
var clientID = regexp.MustCompile(`^(agt|app)_[0-9a-z]{26}$`)

// refused tells whoever is here what the client cannot be told.
func (h *handler) refused(c *gin.Context, out *grants.Outcome) {
	e := out.Refusal
	view := Failure{Code: "bad_request", Client: clientID.FindString(out.Visit.ClientID), Detail: e.Description, Decision: e.DecisionID}
	switch {
	case e.Status() == http.StatusTooManyRequests:
		view = Failure{Code: "too_many"}
		c.Header("Retry-After", strconv.Itoa(max(e.RetryAfter, 1)))
	case e.Status() >= http.StatusInternalServerError:
		h.Call(c).Event.Because(e)
		view = Failure{Code: "server_error", Decision: e.DecisionID}
	case e.Reason == "client_unknown":
		view.Code, view.Client = "client_unknown", ""
	case e.Reason == "redirect_unknown":
		view.Code = "redirect_mismatch"
	case e.Reason == "request_uri_unknown":
		view.Code, view.Client = "expired", ""
	}
	h.Render.Page(c, e.Status(), "error", view)
}

// host is where an answer goes, as people read it.
func host(to string) (name string, app, local bool) {
	u, err := url.Parse(to)
	if err != nil {
		return "", false, false
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return u.Scheme, true, false
	}
	return u.Host, false, u.Scheme == "http"
}
