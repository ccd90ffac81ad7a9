package oauth

import "net/http"

// FollowRequest is a request for the feed of events.
type FollowRequest struct {
	Client ClientAuth // of a service; the zero value if a bearer token was sent
	Bearer string
	// LastEventID is where a follower was, "" if it begins (WHATWG HTML section 9.2.3).
	LastEventID string
}

// ParseFollow reads it. Services authenticate as at introspection: by the header, or,
// with POST, by a form. Whoever carries a token of Deputy's own API sends that.
func ParseFollow(r *http.Request) (FollowRequest, *Error) {
	q := FollowRequest{}
	ids := r.Header.Values("Last-Event-ID")
	if len(ids) > 1 {
		return q, Errorf(InvalidRequest, "More than one Last-Event-ID header.").Named("several_positions")
	}
	if len(ids) == 1 {
		q.LastEventID = ids[0]
	}
	f, problem := Form{}, (*Error)(nil)
	if r.Method == http.MethodPost {
		if f, problem = ReadForm(r); problem != nil {
			return q, problem
		}
	}
	if bearer, reason := Bearer(r.Header); reason == "" {
		q.Bearer = bearer
		return q, nil
	}
	q.Client, problem = ReadClient(r, f)
	return q, problem
}
