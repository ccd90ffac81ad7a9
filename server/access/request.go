package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// Bounds of one question.
const (
	maxText  = 255   // bytes of an id, a type or the name of an action
	maxToken = 16384 // of a token
)

// object is one JSON object. Names are told apart by case, as JSON has it.
type object map[string]json.RawMessage

// bad is what a service did wrong: AuthZEN 1.0 section 10.1.2 asks for 400.
func bad(reason, format string, args ...any) *oauth.Error {
	return oauth.Errorf(oauth.InvalidRequest, format, args...).Named(reason)
}

// read takes the request apart: who asks, and what. Who asks is looked at first, so
// that nobody is told anything before they said who they are.
func read(r *http.Request) (oauth.ClientAuth, object, *oauth.Error) {
	body, problem := readBody(r)
	client, unknown := readClient(r, body)
	if unknown != nil {
		problem = unknown
	}
	return client, body, problem
}

func readBody(r *http.Request) (object, *oauth.Error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, bad("content_type", "The body must be application/json.")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, oauth.MaxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, bad("too_large", "The body is larger than %d bytes.", oauth.MaxBody)
	}
	if err != nil {
		return nil, bad("unreadable", "The body could not be read.").Because(err)
	}
	body, ok := objectIn(raw)
	if !ok {
		return nil, bad("unreadable", "The body must be one JSON object, with no member twice.")
	}
	return body, nil
}

// readClient finds how the service authenticates: as at introspection, with the
// parameters of a form as members of the body.
func readClient(r *http.Request, body object) (oauth.ClientAuth, *oauth.Error) {
	sent := map[string]any{}
	for _, name := range []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if text := ""; json.Unmarshal(body[name], &text) == nil {
			sent[name] = text
		}
	}
	form, problem := oauth.FormOf(sent)
	if problem != nil {
		return oauth.ClientAuth{}, problem
	}
	return oauth.ReadClient(r, form)
}

// question reads the members of one question.
func question(o object) (q grants.Evaluation, problem *oauth.Error) {
	if problem = strangers(o, "", "act", "actor", "actors", "agent"); problem != nil {
		return q, problem
	}
	if problem = readSubject(o, &q); problem != nil {
		return q, problem
	}
	action, problem := entity(o, "action")
	if problem != nil {
		return q, problem
	}
	if q.Action, problem = text(action, "action", "name", maxText); problem != nil {
		return q, problem
	}
	if problem = readResource(o, &q); problem != nil {
		return q, problem
	}
	return q, readContext(o, &q)
}

func readSubject(o object, q *grants.Evaluation) (problem *oauth.Error) {
	subject, problem := entity(o, "subject")
	if problem != nil {
		return problem
	}
	if q.SubjectType, problem = text(subject, "subject", "type", maxText); problem != nil {
		return problem
	}
	if q.Subject, problem = text(subject, "subject", "id", maxText); problem != nil {
		return problem
	}
	properties, problem := optional(subject, "subject", "properties")
	if problem != nil {
		return problem
	}
	if problem = strangers(subject, "subject.", "act", "actor", "actors", "agent"); problem != nil {
		return problem
	}
	if problem = strangers(properties, "subject.properties.", "actor", "actors", "agent"); problem != nil {
		return problem
	}
	q.Actors, problem = actors(properties["act"])
	return problem
}

func readResource(o object, q *grants.Evaluation) (problem *oauth.Error) {
	resource, problem := entity(o, "resource")
	if problem != nil {
		return problem
	}
	if q.ResourceType, problem = text(resource, "resource", "type", maxText); problem != nil {
		return problem
	}
	if q.Resource, problem = text(resource, "resource", "id", 2048); problem != nil {
		return problem
	}
	properties, problem := optional(resource, "resource", "properties")
	if problem != nil {
		return problem
	}
	if absent(properties["authorization_details"]) {
		return nil
	}
	q.Details, problem = oauth.ParseDetails(string(properties["authorization_details"]))
	return problem
}

func readContext(o object, q *grants.Evaluation) *oauth.Error {
	context, problem := optional(o, "", "context")
	if problem != nil {
		return problem
	}
	if problem = strangers(context, "context.", "act", "actor", "actors", "agent", "access_token"); problem != nil {
		return problem
	}
	if absent(context["token"]) {
		return nil
	}
	q.Token, problem = text(context, "context", "token", maxToken)
	return problem
}

// actors reads the act claim as tokens have it (RFC 8693 section 4.1): who acts now
// stands outermost. Whatever is not understood of an actor is refused: without it, the
// answer would be about somebody else.
func actors(raw json.RawMessage) (chain []string, problem *oauth.Error) {
	for !absent(raw) {
		act, ok := objectIn(raw)
		if !ok {
			return nil, bad("actor_malformed", "subject.properties.act must be an object with no member twice, as the act claim of a token is.")
		}
		for name := range act {
			if name != "sub" && name != "sub_profile" && name != "act" {
				return nil, bad("actor_malformed", "An act must hold sub and act alone.")
			}
		}
		id, problem := text(act, "subject.properties.act", "sub", maxText)
		if problem != nil {
			return nil, problem
		}
		if chain = append(chain, id); len(chain) > policies.Ceiling {
			return nil, bad("actor_malformed", "No chain has more than %d actors.", policies.Ceiling)
		}
		raw = act["act"]
	}
	return chain, nil
}

// strangers refuses members by which others name an actor or a token: to ignore one of
// them would widen the answer.
func strangers(o object, at string, names ...string) *oauth.Error {
	for _, name := range names {
		if !absent(o[name]) {
			return bad("actor_misplaced", "%s%s is not understood: actors are named in subject.properties.act, and a token in context.token.", at, name)
		}
	}
	return nil
}

func entity(o object, name string) (object, *oauth.Error) {
	e, problem := optional(o, "", name)
	if problem == nil && e == nil {
		problem = bad("member_missing", "%s is missing.", name)
	}
	return e, problem
}

// optional is a member that must be an object, nil if it is absent.
func optional(o object, in, name string) (object, *oauth.Error) {
	if absent(o[name]) {
		return nil, nil
	}
	member, ok := objectIn(o[name])
	if !ok {
		return nil, bad("member_mistyped", "%s must be an object, with no member twice.", path(in, name))
	}
	return member, nil
}

// text is a member that must be there, and be text.
func text(o object, in, name string, most int) (string, *oauth.Error) {
	if absent(o[name]) {
		return "", bad("member_missing", "%s is missing.", path(in, name))
	}
	var s string
	if json.Unmarshal(o[name], &s) != nil || s == "" || len(s) > most || strings.ContainsFunc(s, unicode.IsControl) {
		return "", bad("member_mistyped", "%s must be text of 1 to %d bytes, without control characters.", path(in, name), most)
	}
	return s, nil
}

func path(in, name string) string {
	if in == "" {
		return name
	}
	return in + "." + name
}

// absent: what is null is not there.
func absent(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

// objectIn reads one object, with nothing after it. A member that stands twice makes it
// none: readers differ in which of the two counts, and one may name an actor (RFC 7493
// section 2.3).
func objectIn(raw json.RawMessage) (object, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	o := object{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		var member json.RawMessage
		if err != nil || !ok || d.Decode(&member) != nil || o[name] != nil {
			return nil, false
		}
		o[name] = member
	}
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	_, err := d.Token()
	return o, errors.Is(err, io.EOF)
}
