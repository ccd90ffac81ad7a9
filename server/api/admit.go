package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// admit asks policy before anything else of a request is looked at. A route
// that openapi.yaml does not know has no name, and policy refuses it.
func (s *server) admit(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	ctx, op := c.Request.Context(), s.operation(c)
	call, _ := ctx.Value(callKey{}).(grants.Call)
	if call.Event != nil {
		call.Event.Route = s.base + c.FullPath()
	}
	var who models.By
	var err error
	bearer, reason := oauth.Bearer(c.Request.Header)
	admit := func(ctx context.Context, conferred ...string) (models.By, error) {
		return s.Endpoint.Admit(ctx, call, bearer, op.id, conferred...)
	}
	if reason == "" {
		who, err = admit(ctx)
	} else {
		err = s.Endpoint.BadBearer(ctx, call, op.id, reason)
	}
	if err != nil {
		s.challenge(c, op, err, reason != oauth.BearerMissing)
		s.fail(c, err)
		return
	}
	ctx = context.WithValue(context.WithValue(ctx, byKey{}, who), admitKey{}, admit)
	c.Request = c.Request.WithContext(context.WithValue(ctx, bearerKey{}, bearer))
}

// challenge says how to do better next time (RFC 6750 section 3, RFC 9728
// section 5.1). Who sent no token has made no error.
func (s *server) challenge(c *gin.Context, op *operation, err error, sent bool) {
	var refusal *oauth.Error
	if !errors.As(err, &refusal) || (refusal.Code != oauth.InvalidToken && refusal.Code != oauth.InsufficientScope) {
		return
	}
	attributes := []string{`realm="deputy"`}
	if sent {
		attributes = append(attributes, fmt.Sprintf(`error="%s"`, refusal.Code), fmt.Sprintf(`error_description="%s"`, oauth.Clean(refusal.Description)))
	}
	if needed := needs(op, refusal); needed != "" {
		attributes = append(attributes, fmt.Sprintf(`scope="%s"`, needed))
	}
	attributes = append(attributes, fmt.Sprintf(`resource_metadata="%s"`, s.metadata))
	c.Header("WWW-Authenticate", "Bearer "+strings.Join(attributes, ", "))
}

// needs is what a token must carry for the operation, and for what it would confer.
func needs(op *operation, refusal *oauth.Error) string {
	scopes := strings.Fields(op.scope)
	for _, lacking := range strings.Fields(refusal.Scope) {
		if !slices.Contains(scopes, lacking) {
			scopes = append(scopes, lacking)
		}
	}
	return strings.Join(scopes, " ")
}
