package pages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/people"
)

// renderer answers with a page, whole or not at all.
type renderer interface {
	Page(c *gin.Context, status int, name string, view any)
}

// Visitor knows what becomes of clients that ask for a user (grants.Endpoint).
type Visitor interface {
	Arrive(ctx context.Context, call grants.Call, req oauth.AuthorizationRequest, problem *oauth.Error, who *grants.Person) (*grants.Outcome, error)
	Proceed(ctx context.Context, call grants.Call, id string, who *grants.Person) (*grants.Outcome, error)
	Leave(ctx context.Context, req oauth.LogoutRequest, who *grants.Person) (*grants.Leaving, error)
	Answer(ctx context.Context, call grants.Call, id string, who *grants.Person, answer *policies.Answer) (*grants.Outcome, error)
}

// Accounts asks policy what people may change of their own accounts (grants.Endpoint).
type Accounts interface {
	Account(ctx context.Context, call grants.Call, who grants.Person, what, id string) (models.By, error)
	OfferTo(ctx context.Context, by models.By, clientID, name string) error
}

// Config of the pages; every field is required.
type Config struct {
	Issuer    string
	People    *people.People
	Store     *models.Store
	Visits    Visitor
	Accounts  Accounts
	Approvals Approver
	Word      Messages
	Render    renderer
	Gate      *limits.Gate                     // how much is worked on at once
	Held      gin.HandlerFunc                  // waits for the body, which is bounded
	Call      func(c *gin.Context) grants.Call // where a request is from
	Log       *slog.Logger
}

type handler struct {
	Config
	host    string // of the issuer
	base    string // its path
	secure  bool   // cookies are for https alone
	foreign *http.CrossOriginProtection
}

// Register adds the pages below root, which stands at the issuer's path.
func Register(root *gin.RouterGroup, c Config) error {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	h := &handler{Config: c, host: u.Host, base: u.Path, secure: u.Scheme == "https", foreign: http.NewCrossOriginProtection()}
	if err := h.foreign.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil { // a proxy may change the Host header
		return fmt.Errorf("issuer: %w", err)
	}
	r := root.Group("", h.private)
	r.GET("/login", h.login)
	r.GET("/login/otp", h.secondFactor)
	r.GET("/login/check", h.checked)
	r.GET("/login/upstream/:id/callback", h.arrive)
	r.GET("/setup/:token", h.setup)
	r.GET("/recover/:token", h.newPassword(Recover))
	r.GET("/invite/:token", h.newPassword(Invite))
	r.GET("/oauth2/authorize", h.bounded, h.authorize)
	r.GET("/oauth2/authorize/:id", h.bounded, h.visit)
	r.POST("/oauth2/authorize", c.Held, h.authorizePosted)
	r.GET("/oauth2/logout", h.bounded, h.logout)
	r.POST("/oauth2/logout", c.Held, h.logoutPosted)
	r.GET("/account", h.member(h.agents))
	r.GET("/account/agents/:id", h.member(h.agent))
	r.GET("/account/agents/:id/revoke", h.member(h.askAgent))
	r.GET("/account/transfers/:id", h.member(h.transfer))
	r.GET("/account/consents/:id/revoke", h.member(h.askConsent))
	r.GET("/account/security", h.member(h.security))
	r.GET("/account/sessions", h.member(h.sessions))
	r.GET("/account/passkeys", h.member(h.passkeys))
	r.GET("/account/word", h.member(h.word))
	if _, there := c.Word.Mails(); there { // development only
		r.GET("/dev/mailbox", h.mailbox)
	}

	r.GET("/approvals", h.approvals)
	r.GET("/approvals/waiting", h.bounded, h.waitingNow)
	r.GET("/approvals/:id", h.bounded, h.approval)
	r.GET("/device", h.device)

	act := r.Group("", h.sameSite, c.Held, h.bounded)
	act.POST("/login", h.signIn)
	act.POST("/login/otp", h.giveCode)
	act.POST("/login/passkey", h.passkeyOptions)
	act.POST("/login/passkey/finish", h.signInWithPasskey)
	act.POST("/login/upstream/:id", h.signInUpstream)
	act.POST("/logout", h.signOut)
	act.POST("/consent", h.answer)
	act.POST("/approvals/:id", h.answerApproval)
	act.POST("/device", h.claim)
	act.POST("/setup/:token", h.setUp)
	act.POST("/recover/:token", h.chooseNew(Recover))
	act.POST("/invite/:token", h.chooseNew(Invite))
	act.POST("/account/agents/:id/revoke", h.member(h.revokeAgent))
	act.POST("/account/agents/:id/offer", h.member(h.offerAgent))
	act.POST("/account/transfers/:id/accept", h.member(h.acceptAgent))
	act.POST("/account/transfers/:id/decline", h.member(h.declineAgent))
	act.POST("/account/transfers/:id/withdraw", h.member(h.withdrawOffer))
	act.POST("/account/consents/:id/revoke", h.member(h.revokeConsent))
	act.POST("/account/password", h.member(h.changePassword))
	act.POST("/account/totp", h.member(h.addTOTP))
	act.POST("/account/totp/confirm", h.member(h.confirmTOTP))
	act.POST("/account/totp/remove", h.member(h.removeTOTP))
	act.POST("/account/sessions/end", h.member(h.endOthers))
	act.POST("/account/sessions/:id/end", h.member(h.endSession))
	act.POST("/account/identities/link/:id", h.member(h.linkUpstream))
	act.POST("/account/identities/:id/remove", h.member(h.unlink))
	act.POST("/account/passkeys/begin", h.member(h.newPasskeyOptions))
	act.POST("/account/passkeys/finish", h.member(h.addPasskey))
	act.POST("/account/passkeys/:id/remove", h.member(h.removePasskey))
	act.POST("/account/word", h.member(h.setWord))
	act.POST("/account/word/test", h.member(h.testWord))
	act.POST("/account/word/code", h.member(h.chooseUserCode))
	act.POST("/account/word/code/remove", h.member(h.removeUserCode))
	act.POST("/account/word/push", h.member(h.addSubscription))
	act.POST("/account/word/push/:id/remove", h.member(h.removeSubscription))
	return nil
}

// private keeps pages out of caches. Forms must be able to say where they come
// from, which they cannot under no-referrer; beyond this site nothing is told.
func (h *handler) private(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.Header("Referrer-Policy", "same-origin")
	c.Next()
}

// sameSite refuses what another site's page sent.
func (h *handler) sameSite(c *gin.Context) {
	if err := h.foreign.Check(c.Request); err != nil {
		h.Render.Page(c, http.StatusForbidden, "error", Failure{Code: "cross_site"})
		c.Abort()
	}
}

// bounded lets so much in at once, and tells the others at once to come again.
func (h *handler) bounded(c *gin.Context) {
	if !h.Gate.Enter() {
		c.Header("Retry-After", "1")
		h.Render.Page(c, http.StatusServiceUnavailable, "error", Failure{Code: "too_many"})
		c.Abort()
		return
	}
	defer h.Gate.Leave()
	c.Next()
}

// form is a field of the form that was sent.
func form(c *gin.Context, name string) string {
	if c.Request.PostForm == nil {
		_ = c.Request.ParseForm() // what cannot be read is not there, and so refused as missing
	}
	return c.Request.PostForm.Get(name)
}

// to goes on with another page, with GET.
func (h *handler) to(c *gin.Context, path string) { c.Redirect(http.StatusSeeOther, h.base+path) }

var (
	authorizationID = regexp.MustCompile(`^atz_[0-9a-z]{26}$`)
	approvalID      = regexp.MustCompile(`^apr_[0-9a-z]{26}$`)
)

// returned is an opaque id of what goes on after signing in, or the name of a page,
// "" if it is neither. It is never an address.
func (h *handler) returned(id string) string {
	if places[id] != "" || owning(id) != "" || deviceTarget(id) != "" || authorizationID.MatchString(id) || approvalID.MatchString(id) {
		return id
	}
	return ""
}

// target is the local path that an id stands for.
func (h *handler) target(id string) string {
	id = h.returned(id)
	switch {
	case places[id] != "":
		return places[id]
	case owning(id) != "":
		return owning(id)
	case deviceTarget(id) != "":
		return deviceTarget(id)
	case approvalID.MatchString(id):
		return "/approvals/" + id
	case id != "":
		return visits + id
	}
	return "/account"
}

// member lets in only who has signed in.
func (h *handler) member(next func(*gin.Context, grants.Person)) gin.HandlerFunc {
	return func(c *gin.Context) {
		who, err := h.People.Person(c.Request.Context(), h.cookie(c, sessionCookie))
		switch {
		case err != nil:
			h.broken(c, err)
		case who == nil:
			h.to(c, withReturn("/login", h.returned(c.Param("id"))))
		default:
			next(c, *who)
		}
	}
}

// broken answers what is our fault.
func (h *handler) broken(c *gin.Context, err error) {
	h.Call(c).Event.Because(err)
	status := http.StatusInternalServerError
	if errors.Is(err, models.ErrUnavailable) {
		status = http.StatusServiceUnavailable
		c.Header("Retry-After", "1")
	}
	h.Render.Page(c, status, "error", Failure{Code: "server_error"})
}

// wrong shows what was wrong: again gets it as a problem of its form. What does
// not concern the form is a page of its own.
func (h *handler) wrong(c *gin.Context, err error, again func(status int, f Form)) {
	var p *people.Problem
	if !errors.As(err, &p) {
		h.broken(c, err)
		return
	}
	switch p.Reason {
	case "link_dead":
		h.Render.Page(c, http.StatusNotFound, "error", Failure{Code: "link_used"})
		return
	case signInTooOld, loginRequired:
		h.to(c, h.loginFor(c))
		return
	}
	again(h.status(c, p), Form{[]Problem{worded(p)}})
}

// status is the answer to a problem.
func (h *handler) status(c *gin.Context, p *people.Problem) int {
	switch {
	case p.Wait > 0:
		c.Header("Retry-After", strconv.Itoa(seconds(p.Wait)))
		return http.StatusTooManyRequests
	case strings.HasPrefix(p.Reason, "wrong_"):
		return http.StatusUnauthorized
	}
	return http.StatusUnprocessableEntity
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// codes are the words for what people find wrong, where the two differ.
var codes = map[string]Problem{
	"wrong_password": {Code: "sign_in_failed"}, "wrong_code": {Code: "code_wrong"}, "wrong_passkey": {Code: "passkey_failed"},
	"password_short": {Code: "password_short", N: people.ShortestPassword}, "password_long": {Code: "password_long", N: people.LongestPassword},
	"password_personal": {Code: "password_like_name"}, "password_unreadable": {Code: "other"}, "factor_there": {Code: "other"},
	"invalid_username": {Code: "username_shape"}, "invalid_email": {Code: "email_shape"}, "invalid_name": {Code: "other"},
}

func worded(p *people.Problem) Problem {
	if p.Wait > 0 {
		return Problem{Code: "wait", N: seconds(p.Wait)}
	}
	out, ok := codes[p.Reason]
	if !ok {
		out.Code = p.Reason
	}
	out.Field = p.Field
	return out
}
