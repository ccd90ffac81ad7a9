package bundles

import (
	"errors"
	"strings"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// quiet leaves out of an evaluation error what a builtin was given. It quotes
// that, and it may be anybody's facts or a secret in the house's own data; the
// error goes into the log. Which builtin it was, and where, is said.
func quiet(err error) error {
	var e *topdown.Error
	if !errors.As(err, &e) || e.Code != topdown.BuiltinErr {
		return err
	}
	builtin, _, _ := strings.Cut(e.Message, ":")
	return &topdown.Error{Code: e.Code, Location: e.Location, Message: builtin + " cannot take the value it was given"}
}
