package oauth

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
)

// Bounds of what a form may hold.
const (
	MaxBody   = 64 << 10 // bytes
	maxFields = 64
)

// repeatable parameters: RFC 8707 resource, RFC 8693 audience.
var repeatable = []string{"resource", "audience"}

// Form is a parsed application/x-www-form-urlencoded body.
type Form struct{ values url.Values }

// ReadForm reads the body once. A parameter without a value counts as left out
// and none may be repeated (RFC 6749 section 3.2), but for the two that may.
func ReadForm(r *http.Request) (Form, *Error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return Form{}, Errorf(InvalidRequest, "The body must be application/x-www-form-urlencoded.").Named("content_type")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return Form{}, Errorf(InvalidRequest, "The body is larger than %d bytes.", MaxBody).Named("too_large")
		}
		return Form{}, Errorf(InvalidRequest, "The body could not be read.").Because(err).Named("unreadable")
	}
	return ParseForm(string(body))
}

// ParseForm reads a body that has arrived.
func ParseForm(body string) (Form, *Error) {
	if len(body) > MaxBody {
		return Form{}, Errorf(InvalidRequest, "The body is larger than %d bytes.", MaxBody).Named("too_large")
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return Form{}, Errorf(InvalidRequest, "The body is not well-formed: a percent sign or semicolon is out of place.").Named("unreadable")
	}
	if len(values) > maxFields {
		return Form{}, Errorf(InvalidRequest, "More than %d parameters.", maxFields).Named("too_large")
	}
	for name, vs := range values {
		vs = slices.DeleteFunc(vs, func(v string) bool { return v == "" })
		if len(vs) == 0 {
			delete(values, name)
			continue
		}
		values[name] = vs
		if len(vs) > 1 && !slices.Contains(repeatable, name) {
			return Form{}, Errorf(InvalidRequest, "Parameter %s is repeated.", short(name)).Named("duplicate_parameter")
		}
	}
	return Form{values}, nil
}

// FormOf is what a request object says, as a form: strings as they are, numbers as they
// are written, lists of strings as repeated parameters or, of scopes and acr_values, words.
func FormOf(claims map[string]any) (Form, *Error) {
	values := url.Values{}
	for name, claim := range claims {
		switch v := claim.(type) {
		case string:
			values[name] = []string{v}
		case json.Number:
			values[name] = []string{v.String()}
		case []any:
			if name != "resource" && name != "audience" { // authorization_details is JSON in both
				body, err := json.Marshal(v)
				if err != nil {
					return Form{}, Errorf(InvalidRequest, "The request object is not well-formed.").Because(err).Named("unreadable")
				}
				values[name] = []string{string(body)}
				continue
			}
			for _, one := range v {
				text, ok := one.(string)
				if !ok {
					return Form{}, Errorf(InvalidRequest, "%s in the request object must be text.", name).Named("unreadable")
				}
				values[name] = append(values[name], text)
			}
		}
	}
	return Form{values}, nil
}

// Get is the value of a parameter, "" if it was left out.
func (f Form) Get(name string) string { return f.values.Get(name) }

// All is every value of a parameter that may be repeated.
func (f Form) All(name string) []string { return f.values[name] }

// Any returns the first of names that was sent.
func (f Form) Any(names ...string) (string, bool) {
	for _, n := range names {
		if f.Get(n) != "" {
			return n, true
		}
	}
	return "", false
}

func short(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
