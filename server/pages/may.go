package pages

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/people"
)

// Reasons of policy that send somebody to sign in.
const (
	signInTooOld  = "sign_in_too_old"
	loginRequired = "login_required"

	secondFactorNeeded = "second_factor_needed"
)

// may asks policy whether somebody may change something of their own account, and
// says who acts. What is not theirs is not there: models.ErrNotFound. A Problem
// says what else stands in the way.
func (h *handler) may(c *gin.Context, who grants.Person, what, id string) (models.By, error) {
	by, err := h.Accounts.Account(c.Request.Context(), h.Call(c), who, what, id)
	return tellingly(by), inTheWay(err)
}

// tellingly is by, whose refusals are as people are told of them.
func tellingly(by models.By) models.By {
	if again := by.Again; again != nil {
		by.Again = func(ctx context.Context) (models.By, error) {
			by, err := again(ctx)
			return tellingly(by), inTheWay(err)
		}
	}
	return by
}

// inTheWay is a refusal as people are told of it.
func inTheWay(err error) error {
	var refused *oauth.Error
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.Reason {
	case "object_foreign":
		return models.ErrNotFound
	case signInTooOld, secondFactorNeeded, "offers_exhausted":
		return &people.Problem{Reason: refused.Reason}
	case "subject_unknown", "subject_inactive", "subject_expired", loginRequired: // since the request came in
		return &people.Problem{Reason: loginRequired}
	case "rate_limited":
		return &people.Problem{Reason: "busy", Wait: max(time.Second, time.Duration(refused.RetryAfter)*time.Second)}
	}
	if refused.Code == oauth.TemporarilyUnavailable {
		return fmt.Errorf("%w: %w", models.ErrUnavailable, err)
	}
	return err
}

// notDone answers where there is no form to show again.
func (h *handler) notDone(c *gin.Context, err error) {
	if errors.Is(err, models.ErrNotFound) {
		h.nothing(c, err)
		return
	}
	h.wrong(c, err, func(status int, _ Form) {
		code := "other"
		if status == http.StatusTooManyRequests {
			code = "too_many"
		}
		h.Render.Page(c, status, "error", Failure{Code: code, Back: "/account"})
	})
}

// loginFor is where somebody signs in to come back to the account page whose form
// they sent.
func (h *handler) loginFor(c *gin.Context) string {
	if id := c.Param("id"); owning(id) != "" {
		return withReturn("/login", id)
	}
	for _, place := range []string{"passkeys", "word"} {
		if strings.HasPrefix(c.FullPath(), h.base+places[place]) {
			return withReturn("/login", place)
		}
	}
	return withReturn("/login", "security")
}
