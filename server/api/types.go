package api

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/deputyauth/deputy/models"
)

// moment is a point in time, RFC 3339 in JSON. The zero moment has not come, or
// never will, and is left out.
type moment struct{ time.Time }

// at reads the store's unix seconds.
func at(unix int64) moment {
	if unix == 0 || unix >= models.Never {
		return moment{}
	}
	return moment{time.Unix(unix, 0).UTC()}
}

// atMilli reads the ledger's unix milliseconds.
func atMilli(ms int64) moment { return moment{time.UnixMilli(ms).UTC()} }

// UnmarshalJSON reads null as never. A time that the store cannot tell from
// "none" is refused.
func (m *moment) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		m.Time = time.Unix(models.Never, 0)
		return nil
	}
	if err := m.Time.UnmarshalJSON(b); err != nil || m.Unix() <= 0 {
		return malformed("", "%s is not an RFC 3339 time after 1970.", b)
	}
	return nil
}

// unix is 0 for the zero moment.
func (m moment) unix() int64 {
	if m.IsZero() {
		return 0
	}
	return m.Unix()
}

// orNever is unix, with the zero moment read as never.
func (m moment) orNever() int64 {
	if m.IsZero() {
		return models.Never
	}
	return m.Unix()
}

// cursor is the key to go on after in a list, opaque to the caller.
type cursor string

// MarshalText writes the cursor into an answer.
func (k cursor) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString([]byte(k))), nil
}

// Bind reads the cursor of a request (runtime.Binder). Keys are printable ASCII.
func (k *cursor) Bind(src string) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(src)
	if err != nil || strings.ContainsFunc(string(raw), func(r rune) bool { return r < ' ' || r > '~' }) {
		return malformed("cursor", "Was not given out by this server.")
	}
	*k = cursor(raw)
	return nil
}

func page(limit Limit, after Cursor) models.Page {
	return models.Page{Limit: limit, After: string(after)}
}

// patch is a JSON merge patch (RFC 7396) of a document whose writable part is T.
type patch[T any] struct{ doc map[string]any }

// UnmarshalJSON refuses a patch whose values do not fit T, so that merge cannot fail.
func (p *patch[T]) UnmarshalJSON(b []byte) error {
	var fits T
	if err := json.Unmarshal(b, &fits); err != nil {
		return err
	}
	return json.Unmarshal(b, &p.doc)
}

// merge returns the writable part of current with the patch applied.
func (p *patch[T]) merge(current any) (merged T) {
	var doc map[string]any
	err := through(current, &doc)
	if err == nil {
		err = through(mergePatch(doc, p.doc), &merged)
	}
	if err != nil {
		panic("patch: both documents have been through JSON before: " + err.Error()) // and the transaction around us ends
	}
	return merged
}

func mergePatch(target, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	for k, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(target, k)
		case map[string]any:
			inner, _ := target[k].(map[string]any)
			target[k] = mergePatch(inner, v)
		default:
			target[k] = v
		}
	}
	return target
}

func through(from, to any) error {
	body, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, to)
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// version reads If-Match, whose form has been checked.
func version(m IfMatch) int64 {
	if m == "" || m == "*" {
		return models.AnyVersion
	}
	v, err := strconv.ParseInt(strings.Trim(m, `"`), 10, 64)
	if err != nil {
		return -1 // no object's
	}
	return v
}

// each maps a list; the result is never null in JSON.
func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

func same[A any](a A) A { return a }

// optional is what a reference that may be absent is to the store, and back.
func optional(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}

func orEmpty(id *string) string {
	if id == nil {
		return ""
	}
	return *id
}

func refOf(r models.ScopeRef) ScopeRef {
	return ScopeRef{ResourceServerID: r.ResourceID, Scope: r.Name}
}
func refInto(r ScopeRef) models.ScopeRef {
	return models.ScopeRef{ResourceID: r.ResourceServerID, Name: r.Scope}
}

// location is where an object of the API is.
func (s *server) location(segments ...string) string {
	for i, name := range segments {
		segments[i] = url.PathEscape(name)
	}
	return s.base + Prefix + "/" + strings.Join(segments, "/")
}
