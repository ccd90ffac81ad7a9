package models

import (
	"encoding/json"
	"slices"

	"gorm.io/gorm"
)

// narrator makes events of the ledger's changes.
type narrator struct {
	db    *gorm.DB
	entry *Entry // whose events are being made
}

// changed is what the ledger keeps of a change.
type changed struct {
	Target        string
	Before, After state
}

// state is what of a row before or after a change events are made from, whatever the
// row is. Known tells that there was one.
type state struct {
	Known bool `json:"-"`

	ID          string `json:"id"`
	ClientID    string `json:"client_id"`
	SubjectID   string `json:"subject_id"`
	UserID      string `json:"user_id"`
	GrantID     string `json:"grant_id"`
	ResourceID  string `json:"resource_server_id"`
	MemberID    string `json:"member_id"`
	PrincipalID string `json:"principal_id"`
	Purpose     string `json:"purpose"`
	Status      string `json:"status"`
	House       string `json:"house"`

	ExpiresAt int64 `json:"expires_at"`
	RevokedAt int64 `json:"revoked_at"`
	RetiresAt int64 `json:"retires_at"`

	Scopes  json.RawMessage   `json:"scopes"`
	Details []json.RawMessage `json:"details"`
	Revoked []string          `json:"revoked"`

	Answered []string `json:"answers_for"`
	Services []string `json:"services"` // where roles mean something

	OwnerID    json.RawMessage `json:"owner_id"`
	Labels     json.RawMessage `json:"labels"`
	GrantTypes json.RawMessage `json:"grant_types"`
	MaxTTL     json.RawMessage `json:"max_ttl"`
}

// UnmarshalJSON notes that there is something. Some rows use a name for something else
// than the others: what does not fit is left out.
func (s *state) UnmarshalJSON(raw []byte) error {
	type plain state
	_ = json.Unmarshal(raw, (*plain)(s))
	s.Known = string(raw) != "null"
	return nil
}

func (s *state) scopes() (names []string) {
	_ = json.Unmarshal(s.Scopes, &names) // of a role they are something else
	return names
}

// at is what the status amounts to at a moment: nobody writes down that somebody expires.
func (s *state) at(now int64) string {
	if s.Status == StatusActive && s.ExpiresAt != 0 && s.ExpiresAt <= now {
		return "expired"
	}
	return s.Status
}

// of tells what follows from one change, by object. The kind of thing it was made to
// says what to look for, whatever the change is called.
func (n *narrator) of(e *Entry) ([]Event, error) {
	var c changed
	if err := json.Unmarshal([]byte(e.Detail), &c); err != nil {
		return nil, nil // of another release, which knew another form
	}
	kind, known := targetKind(c.Target)
	tell := narrations[kind]
	switch {
	case !known:
		tell = (*narrator).unknown
	case tell == nil:
		return nil, nil
	}
	n.entry = e
	events, err := tell(n, c)
	if err != nil {
		return nil, err
	}
	for i := range events {
		events[i].At = e.At
		events[i].Position.Seq, events[i].Position.Check = e.Seq, checkOf(e.ID)
	}
	slices.SortFunc(events, func(a, b Event) int { return a.Position.Compare(b.Position) })
	return events, nil
}

var narrations = map[string]func(*narrator, changed) ([]Event, error){
	PrefixToken: (*narrator).tokens, PrefixGrant: (*narrator).grant, PrefixConsent: (*narrator).consent,
	PrefixAgent: (*narrator).client, PrefixApplication: (*narrator).client, PrefixUser: (*narrator).user,
	PrefixResource: (*narrator).resource, PrefixCredential: (*narrator).credential, PrefixPasskey: (*narrator).passkey,
	PrefixKey: (*narrator).key, objectOfPolicy: (*narrator).policy,
	PrefixAssignment: (*narrator).assignment, PrefixGroup: (*narrator).group, PrefixRole: (*narrator).role, PrefixSession: (*narrator).session,
}

// now is when it happened, in unix seconds.
func (n *narrator) now() int64 { return n.entry.At / 1000 }

// about is an event that is about one object.
func about(object, kind string) Event {
	return Event{Type: kind, Position: Position{Object: object}}
}

func (n *narrator) tokens(c changed) (events []Event, err error) {
	for ids := range slices.Chunk(c.After.Revoked, 500) {
		var rows []Token
		if err := n.db.Where("id in ?", ids).Find(&rows).Error; err != nil {
			return nil, err
		}
		for _, t := range rows {
			e := about(t.ID, EventTokenRevoked)
			e.TokenID, e.Txn, e.GrantID, e.ClientID, e.SubjectID = t.ID, t.Txn, t.GrantID, t.ClientID, t.SubjectID
			e.Concerns = []Concerned{{ID: t.ResourceID}}
			events = append(events, e)
		}
	}
	return events, nil
}

func (n *narrator) grant(c changed) ([]Event, error) {
	if !c.Before.Known || c.Before.RevokedAt != 0 || c.After.RevokedAt == 0 {
		return nil, nil
	}
	e := about(c.Target, EventGrantRevoked)
	e.GrantID, e.ClientID, e.SubjectID = c.Target, c.After.ClientID, c.After.SubjectID
	var err error
	e.Concerns, err = n.underGrant(&e)
	return []Event{e}, err
}

func (n *narrator) consent(c changed) ([]Event, error) {
	kind := EventConsentGiven
	switch before, after := c.Before, c.After; {
	case !after.Known || before.Known && before.RevokedAt != 0:
		return nil, nil
	case after.RevokedAt != 0:
		kind = EventConsentRevoked
	case before.Known && narrower(after, before):
		kind = EventConsentNarrowed
	case before.Known:
		kind = EventConsentChanged
	}
	e := about(c.Target, kind)
	e.ConsentID, e.ClientID, e.SubjectID = c.Target, c.After.ClientID, c.After.SubjectID
	e.Concerns = []Concerned{{ID: c.After.ResourceID}}
	return []Event{e}, nil
}

// narrower tells that a consent allows nothing that another did not.
func narrower(after, before state) bool {
	for _, scope := range after.scopes() {
		if !slices.Contains(before.scopes(), scope) {
			return false
		}
	}
	for _, d := range after.Details {
		if !slices.ContainsFunc(before.Details, func(b json.RawMessage) bool { return string(b) == string(d) }) {
			return false
		}
	}
	return after.ExpiresAt <= before.ExpiresAt
}

// lives are what a status that was reached is called, of a client, user and service.
var lives = map[string][3]string{
	StatusSuspended:      {EventClientSuspended, EventUserSuspended, EventResourceSuspended},
	StatusActive:         {EventClientRestored, EventUserRestored, EventResourceRestored},
	"expired":            {EventClientExpired, EventUserExpired, ""},
	StatusDecommissioned: {EventClientRemoved, EventUserRemoved, EventResourceRemoved},
}

// turned is what a change of status is called, "" if there was none: whoever is new
// is no news.
func (n *narrator) turned(c changed, what int) string {
	was, is := c.Before.at(n.now()), c.After.at(n.now())
	if !c.Before.Known || !c.After.Known || was == is {
		return ""
	}
	return lives[is][what]
}

func (n *narrator) client(c changed) ([]Event, error) {
	kind := n.turned(c, 0)
	if kind == "" && c.rebound() {
		kind = EventClientAccess
	}
	if kind == "" {
		return nil, nil
	}
	e, err := n.clientEvent(c.Target, kind)
	return []Event{e}, err
}

func (n *narrator) clientEvent(id, kind string) (e Event, err error) {
	e = about(id, kind)
	e.ClientID = id
	e.Concerns, err = n.ofClient(id)
	return e, err
}

// user also tells of the agents and applications that they answer for, which stop, and
// go on, with them: to whom those mean something, and not their owner.
func (n *narrator) user(c changed) ([]Event, error) {
	if kind := signIns[n.entry.Action]; kind != "" {
		e := about(c.Target, kind)
		e.SubjectID = c.Target
		return []Event{e}, nil
	}
	kind := n.turned(c, 1)
	if kind == "" && c.rebound() {
		e, err := n.accessEvent(c.Target)
		return []Event{e}, err
	}
	if kind == "" {
		return nil, nil
	}
	e := about(c.Target, kind)
	e.SubjectID = c.Target
	var err error
	if e.Concerns, err = n.ofUser(c.Target); err != nil {
		return nil, err
	}
	events, theirs := []Event{e}, EventClientSuspended
	if kind == EventUserRestored {
		theirs = EventClientRestored
	}
	for _, id := range c.After.Answered {
		one, err := n.clientEvent(id, theirs)
		if err != nil {
			return nil, err
		}
		events = append(events, one)
	}
	return events, nil
}

func (n *narrator) resource(c changed) ([]Event, error) {
	kind := n.turned(c, 2)
	if c.Before.Known && c.Before.ID == c.Target && !c.After.Known {
		kind = EventResourceRemoved
	}
	if kind == "" && c.Before.Known && c.Before.ID == "" { // a scope, or a type of details, which was there before
		kind = EventResourceChanged
	}
	if kind == "" {
		return nil, nil
	}
	e := about(c.Target, kind)
	e.ResourceID, e.Concerns = c.Target, []Concerned{{ID: c.Target}}
	return []Event{e}, nil
}

// proofs tells what became of something that proves who somebody is.
func proofs(c changed) string {
	switch {
	case !c.Before.Known:
		return EventCredentialCreated
	case !c.After.Known || c.After.RevokedAt != 0:
		return EventCredentialRevoked
	}
	return EventCredentialChanged
}

func (n *narrator) credential(c changed) (_ []Event, err error) {
	e := about(c.Target, proofs(c))
	e.CredentialID, e.ClientID = c.Target, c.Before.ClientID+c.After.ClientID
	if c.Before.Known && c.After.Known {
		e.ClientID = c.After.ClientID
	}
	e.Concerns, err = n.ofClient(e.ClientID)
	return []Event{e}, err
}

// signIns are changes of what a person signs in with that are made to the person.
// Services are not told of those: they know no sign-in but ours.
var signIns = map[string]string{
	"setPassword": EventCredentialChanged, "confirmTotp": EventCredentialCreated, "removeTotp": EventCredentialRevoked,
}

func (n *narrator) passkey(c changed) ([]Event, error) {
	e := about(c.Target, proofs(c))
	e.CredentialID, e.SubjectID = c.Target, c.Before.UserID
	if c.After.Known {
		e.SubjectID = c.After.UserID
	}
	return []Event{e}, nil
}

func (n *narrator) key(c changed) ([]Event, error) {
	e := about(c.Target, EventKeyCreated)
	if c.Before.Known {
		e.Type = EventKeyRetired
	}
	e.KeyID, e.Everybody = c.Target, c.After.Purpose == KeyForTokens
	return []Event{e}, nil
}

// unknown is what a newer release changed beside this one, which cannot tell what that
// means, and for whom: everybody looks at what they hold anew. Nothing is passed over in
// silence, and what comes after it need not wait for a release that knows.
func (n *narrator) unknown(changed) ([]Event, error) {
	e := about(EventReset, EventReset)
	e.Everybody = true
	return []Event{e}, nil
}

func (n *narrator) policy(c changed) ([]Event, error) {
	e := about(objectOfPolicy, EventPolicyChanged)
	e.Revision, e.Everybody = c.After.House, true
	return []Event{e}, nil
}
