package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of authorization_details (RFC 9396).
const (
	maxDetails      = 16       // objects
	maxDetailsBytes = 16 << 10 // of the parameter
	maxDetailsDepth = 8        // the list itself is the first level
	maxDetailText   = 512      // characters of one string: a person is shown all of it
	maxDetailWhole  = 1<<53 - 1
)

// ParseDetails reads the parameter authorization_details: a list of objects, each with
// a type (RFC 9396 section 2). Each comes back as JSON in one form: keys in order, whole
// numbers that everybody reads alike, and no text that looks like other text than it is.
// What else an object holds is for the schema of its type to say.
func ParseDetails(raw string) ([]json.RawMessage, *Error) {
	if raw == "" {
		return nil, nil
	}
	if len(raw) > maxDetailsBytes || !utf8.ValidString(raw) {
		return nil, badDetails("is larger than %d bytes, or no text", maxDetailsBytes)
	}
	r := detailsReader{json.NewDecoder(strings.NewReader(raw))}
	r.d.UseNumber()
	v, problem := r.value(1)
	if problem != nil {
		return nil, problem
	}
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return nil, badDetails("has something after its end")
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 || len(list) > maxDetails {
		return nil, badDetails("must be a list of 1 to %d objects", maxDetails)
	}
	var out []json.RawMessage
	for _, one := range list {
		object, _ := one.(map[string]any)
		if kind, _ := object["type"].(string); kind == "" || len(kind) > 128 {
			return nil, badDetails("must hold objects with a type")
		}
		body, err := json.Marshal(object)
		if err != nil {
			return nil, badDetails("cannot be read")
		}
		if !slices.ContainsFunc(out, func(other json.RawMessage) bool { return bytes.Equal(other, body) }) {
			out = append(out, body)
		}
	}
	return out, nil
}

func badDetails(format string, args ...any) *Error {
	return Errorf(InvalidAuthorizationDetails, "authorization_details "+format+".", args...).Named("details_malformed")
}

type detailsReader struct{ d *json.Decoder }

func (r detailsReader) value(depth int) (any, *Error) {
	t, err := r.d.Token()
	if err != nil {
		return nil, badDetails("is no JSON")
	}
	switch t := t.(type) {
	case json.Delim:
		if depth > maxDetailsDepth {
			return nil, badDetails("is deeper than %d levels", maxDetailsDepth)
		}
		if t == '{' {
			return r.object(depth)
		}
		return r.list(depth)
	case json.Number:
		n, err := strconv.ParseInt(t.String(), 10, 64)
		if err != nil || n > maxDetailWhole || n < -maxDetailWhole || t.String() == "-0" {
			return nil, badDetails("holds a number that is not whole, or larger than 2 to the power of 53; write it as a string")
		}
		return t, nil
	case string:
		return t, checkDetailText(t)
	default: // true, false, null
		return t, nil
	}
}

func (r detailsReader) object(depth int) (any, *Error) {
	out := map[string]any{}
	for r.d.More() {
		t, err := r.d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, badDetails("is no JSON")
		}
		if _, there := out[name]; there {
			return nil, badDetails("holds an object with the same member twice")
		}
		if problem := checkDetailText(name); problem != nil {
			return nil, problem
		}
		var problem *Error
		if out[name], problem = r.value(depth + 1); problem != nil {
			return nil, problem
		}
	}
	return out, r.end()
}

func (r detailsReader) list(depth int) (any, *Error) {
	out := []any{}
	for r.d.More() {
		v, problem := r.value(depth + 1)
		if problem != nil {
			return nil, problem
		}
		out = append(out, v)
	}
	return out, r.end()
}

func (r detailsReader) end() *Error {
	if _, err := r.d.Token(); err != nil {
		return badDetails("is no JSON")
	}
	return nil
}

// checkDetailText refuses what a person cannot read as it is: control characters, and
// those that turn the direction of what follows or take no room.
func checkDetailText(s string) *Error {
	if utf8.RuneCountInString(s) > maxDetailText {
		return badDetails("holds a text of more than %d characters", maxDetailText)
	}
	if strings.ContainsFunc(s, func(r rune) bool {
		return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
	}) {
		return badDetails("holds a text with characters that cannot be seen")
	}
	if slices.ContainsFunc(secretPrefixes, func(p string) bool { return strings.Contains(s, p) }) {
		return Errorf(InvalidAuthorizationDetails, "authorization_details holds what looks like a secret of this server's. It should be replaced.").Named("secret_misplaced")
	}
	return nil
}
