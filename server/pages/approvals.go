package pages

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// Approver knows what clients ask of people who are elsewhere (grants.Endpoint).
type Approver interface {
	Waiting(ctx context.Context, who grants.Person) ([]models.Approval, error)
	Approval(ctx context.Context, call grants.Call, id string, who grants.Person) (*grants.ApprovalOutcome, error)
	AnswerApproval(ctx context.Context, call grants.Call, id string, who grants.Person, answer *policies.Answer, report bool) (*grants.ApprovalOutcome, error)
	Claim(ctx context.Context, call grants.Call, userCode string, who grants.Person) (id string, err error)
	ChooseUserCode(ctx context.Context, by models.By, userID, code string) error
}

// lately is how many requests that have ended are listed.
const lately = 20

// approvals lists what waits for a person, and what they answered lately.
func (h *handler) approvals(c *gin.Context) {
	who, err := h.People.Person(c.Request.Context(), h.cookie(c, sessionCookie))
	switch {
	case err != nil:
		h.broken(c, err)
	case who == nil:
		h.to(c, withReturn("/login", "approvals"))
	default:
		h.inbox(c, *who)
	}
}

func (h *handler) inbox(c *gin.Context, who grants.Person) {
	ctx := c.Request.Context()
	_, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	rows, err := h.Approvals.Waiting(ctx, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	past, err := h.Store.AskedOf(ctx, who.UserID, 2*lately)
	if err != nil {
		h.broken(c, err)
		return
	}
	said := h.names(ctx)
	view := Approvals{Member: member, Version: version(rows)}
	for _, row := range rows {
		view.Waits = append(view.Waits, said.approval(row, models.ApprovalPending))
	}
	for _, row := range past {
		if state := stateOf(&row, h.Store.Now()); state != StatePending && len(view.Lately) < lately {
			view.Lately = append(view.Lately, said.approval(row, state))
		}
	}
	if said.err != nil {
		h.broken(c, said.err)
		return
	}
	h.Render.Page(c, http.StatusOK, "approvals", view)
}

// version tells whether the same waits.
func version(rows []models.Approval) string {
	sum := sha256.New()
	for _, row := range rows {
		sum.Write([]byte(row.ID + "\n"))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// waitingNow tells a script what waits. It keeps nobody signed in: no person asks.
func (h *handler) waitingNow(c *gin.Context) {
	who, err := h.People.Unseen(c.Request.Context(), h.cookie(c, sessionCookie))
	if err == nil && who == nil {
		c.JSON(http.StatusUnauthorized, gin.H{"error": loginRequired})
		return
	}
	var rows []models.Approval
	if err == nil {
		rows, err = h.Approvals.Waiting(c.Request.Context(), *who)
	}
	if err != nil {
		h.wrongJSON(c, err)
		return
	}
	v, ids := version(rows), []string{}
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	c.Header("ETag", strconv.Quote(v))
	if c.GetHeader("If-None-Match") == strconv.Quote(v) {
		c.Status(http.StatusNotModified)
		return
	}
	c.JSON(http.StatusOK, gin.H{"version": v, "waiting": ids})
}

// stateOf is how a request stands, as people are told.
func stateOf(a *models.Approval, now int64) string {
	state := a.Now(now)
	if state == models.ApprovalDenied && a.Reported != 0 {
		return StateReported
	}
	if state == models.ApprovalUsed { // what became of it is no other answer
		return StateApproved
	}
	return state
}

// approval shows one request that waits for a person, or how it ended.
func (h *handler) approval(c *gin.Context) { h.approve(c, h.Approvals.Approval) }

// answerApproval takes what a person answered.
func (h *handler) answerApproval(c *gin.Context) {
	var answer *policies.Answer
	report := false
	switch form(c, "answer") {
	case "deny":
	case "report":
		report = true
	case "allow":
		answer = ticked(c)
	}
	if answer == nil && form(c, "answer") != "deny" && !report {
		h.Render.Page(c, http.StatusBadRequest, "error", Failure{Code: "bad_request"})
		return
	}
	h.approve(c, func(ctx context.Context, call grants.Call, id string, who grants.Person) (*grants.ApprovalOutcome, error) {
		return h.Approvals.AnswerApproval(ctx, call, id, who, answer, report)
	})
}

type approving func(ctx context.Context, call grants.Call, id string, who grants.Person) (*grants.ApprovalOutcome, error)

// approve shows what becomes of one request. Whoever has not signed in does that first.
func (h *handler) approve(c *gin.Context, what approving) {
	id := c.Param("id")
	if !approvalID.MatchString(id) {
		h.nothing(c, models.ErrNotFound)
		return
	}
	who, err := h.People.Person(c.Request.Context(), h.cookie(c, sessionCookie))
	if err == nil && who == nil {
		h.to(c, withReturn("/login", id))
		return
	}
	var out *grants.ApprovalOutcome
	if err == nil {
		out, err = what(c.Request.Context(), h.Call(c), id, *who)
	}
	switch {
	case err != nil:
		h.unapproved(c, err)
	case out.State != models.ApprovalPending:
		h.concluded(c, out, *who)
	case slices.Contains(out.SignIn, "nobody"):
		h.to(c, withReturn("/login", id))
	default:
		h.pending(c, out, *who)
	}
}

// unapproved tells why a request is neither shown nor answered.
func (h *handler) unapproved(c *gin.Context, err error) {
	var refused *oauth.Error
	if errors.Is(err, models.ErrNotFound) || !errors.As(err, &refused) || refused.Status() >= http.StatusInternalServerError {
		h.nothing(c, inTheWay(err))
		return
	}
	view := Failure{Code: "access_denied", Decision: refused.DecisionID, Back: "/approvals"}
	if refused.Status() == http.StatusTooManyRequests {
		view = Failure{Code: "too_many"}
		c.Header("Retry-After", strconv.Itoa(max(refused.RetryAfter, 1)))
	}
	h.Render.Page(c, refused.Status(), "error", view)
}

// concluded shows how a request ended. To answer it once more changes nothing.
func (h *handler) concluded(c *gin.Context, out *grants.ApprovalOutcome, who grants.Person) {
	ctx, a := c.Request.Context(), out.Approval
	rows, err := h.Approvals.Waiting(ctx, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	said := h.names(ctx)
	view := Answered{
		ID: a.ID, State: stateOf(a, h.Store.Now()), Agent: said.party(a.ClientID), Device: a.Kind == models.ApprovalDevice, Just: out.Just, At: endOf(a), Waits: len(rows),
		Elsewhere: c.Request.Method == http.MethodPost && !out.Just,
	}
	if view.State == StateApproved {
		said.approved(a, &view)
	}
	if said.err != nil {
		h.broken(c, said.err)
		return
	}
	status := http.StatusOK
	if view.Elsewhere {
		status = http.StatusConflict
	}
	h.Render.Page(c, status, "answered", view)
}

// endOf is when a request ended.
func endOf(a *models.Approval) time.Time {
	if a.AnsweredAt != 0 {
		return day(a.AnsweredAt)
	}
	return day(a.ExpiresAt)
}
