package policies

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Input is one question: everything policy may ask about, and nothing else.
// The large parts are Facts, loaded once and shared between decisions; the
// rest is small and belongs to this request alone. A part that does not apply
// or could not be established is nil and absent from the document: the floor
// reads absence as refusal.
type Input struct {
	Action     string
	Now        int64 // unix seconds; the only clock policy has
	Request    Request
	Client     *Fact[Principal]   // the authenticated client
	Subject    *Fact[Principal]   // whom the presented token speaks for
	Chain      []*Fact[Principal] // actors of the presented token, outermost first
	Resources  []*Fact[Resource]  // the named resource server, or the candidates if none was named
	Parent     *Token             // subject token of an exchange
	Token      *Token             // token that an introspection, revocation or admin call is about
	Consent    *Consent
	Credential Credential
	// Authorization is what a person granted, as the presented code or refresh token carries it.
	Authorization *Authorization
	// Of a client that asks for a user only.
	Session  *Session   // of the user who is signed in
	Consents []*Consent // what they agreed to for this client, at the servers it names
	// Object is what of their account a person changes, in their session.
	Object *Object
	// Approval is what a client asks of a person elsewhere, or has asked.
	Approval *Approval
	// Acquaintance is what there is between the client and whom it asks.
	Acquaintance *Acquaintance
	// Represented is whom the token speaks for that a client asks to exchange, while it
	// asks a person, who is the subject then.
	Represented *Fact[Principal]
}

// Approval is one request of a client to a person who is elsewhere.
type Approval struct {
	ID        string   `json:"id"`   // "" while it is only asked
	Kind      string   `json:"kind"` // ciba | device | consent | machine
	Client    string   `json:"client"`
	Subject   string   `json:"subject"`  // who is asked, "" while nobody knows
	State     string   `json:"state"`    // pending | approved | denied | cancelled | used
	Delivery  string   `json:"delivery"` // how the client gets to know the answer: poll | ping | push
	ACRValues []string `json:"acr_values"`
	CreatedAt int64    `json:"created_at"`
	ExpiresAt int64    `json:"expires_at"` // until when it waits for an answer

	// The rest is of a machine, which asks for one token request of its own.
	GrantType string    `json:"grant_type,omitempty"`
	Parent    string    `json:"parent,omitempty"` // jti of the token that it would exchange
	Approver  *Approver `json:"approver,omitempty"`
	// What was allowed, until when: resource server id -> scopes and details.
	Scopes  map[string][]string `json:"scopes,omitempty"`
	Details map[string][]Detail `json:"details,omitempty"`
	Until   int64               `json:"until,omitempty"`
}

// Approver is how the person stands now whom a machine asks.
type Approver struct {
	Known     string `json:"known"` // owner, of the client | listed, by an administrator | ""
	Status    string `json:"status"`
	ExpiresAt int64  `json:"expires_at"`
}

// Acquaintance is how a client and a user know each other, and what the client has
// lately asked of the user.
type Acquaintance struct {
	Known      string `json:"known"`       // owner | consent | listed | ""
	Reached    bool   `json:"reached"`     // word can be brought to the user
	UserCode   string `json:"user_code"`   // none, if the user has chosen none | ok | missing | wrong
	Waiting    int64  `json:"waiting"`     // requests of anybody that wait for the user
	Pending    int64  `json:"pending"`     // those of this client
	Asked      int64  `json:"asked"`       // by this client, within the hour
	Denials    int64  `json:"denials"`     // of this client's requests, within the day
	DeniedAt   int64  `json:"denied_at"`   // the latest, 0 if there is none
	ReportedAt int64  `json:"reported_at"` // likewise
}

// Object is something of a person's account.
type Object struct {
	Kind  string `json:"kind"`  // account | session | passkey | consent | agent | identity | subscription | link | transfer | nothing
	ID    string `json:"id"`    // "" of the account as a whole, and of nothing
	Owner string `json:"owner"` // whose it is, "" if nobody's
	// SecondFactor: whoever is asking gives one when they sign in with a password.
	SecondFactor bool `json:"second_factor"`
	// Offers are how many agents they offered to somebody within the day, where they
	// are about to offer one.
	Offers int64 `json:"offers"`
}

// Request is what was asked for, in the asker's own order.
type Request struct {
	GrantType    string   `json:"grant_type,omitempty"`
	Resources    []string `json:"resources"` // canonical identifiers named by the request
	Scopes       []string `json:"scopes"`
	RequestedTTL int64    `json:"requested_ttl,omitempty"` // seconds; 0 = not asked
	Details      []Detail `json:"details,omitempty"`       // authorization_details (RFC 9396)
	// ActorToken is set when RFC 8693 actor_token was sent.
	ActorToken *ActorToken `json:"actor_token,omitempty"`
	Visit      *Visit      `json:"visit,omitempty"`  // how a client asks for a user
	Answer     *Answer     `json:"answer,omitempty"` // what the user says to that
	// Approval is set when a machine grant brings an auth_req_id.
	Approval bool   `json:"approval,omitempty"`
	Asked    *Asked `json:"asked,omitempty"` // of whom a service asks, and what about
	// TokenProblem says why the presented token could not be read as a fact.
	TokenProblem string `json:"token_problem,omitempty"`
	// Renewal is what a client wants that makes the successor of its own secret.
	Renewal *Renewal `json:"renewal,omitempty"`
}

// Renewal is of a secret, by the client that has it. In seconds.
type Renewal struct {
	Overlap int64 `json:"overlap"` // for which the old one is to go on working
	Life    int64 `json:"life"`    // that the old one was meant to live; Never: without end
}

// Asked is what a service says of those about whom it asks. All of it is a name, and
// none of it a fact.
type Asked struct {
	Type    string `json:"type"` // of the subject: user | agent | application
	Subject string `json:"subject"`
	// Chain are the actors, outermost first; nil where that is left to a token.
	Chain        []string `json:"chain,omitzero"`
	ResourceType string   `json:"resource_type"`
}

// Visit is what an authorization request says beside scopes and resources.
type Visit struct {
	RedirectOK bool     `json:"redirect_ok"` // the redirect URI is one of the client's
	PKCE       string   `json:"pkce"`        // ok | missing | plain
	Prompt     []string `json:"prompt"`
	MaxAge     *int64   `json:"max_age,omitempty"` // seconds since the user signed in
	ACRValues  []string `json:"acr_values"`
	Began      int64    `json:"began"` // when the client asked
	// Subject is the user whom the client means, "" if it names nobody.
	Subject string `json:"subject,omitempty"`
}

// Answer is what a user ticked, and until when.
type Answer struct {
	Scopes  []Grants        `json:"scopes"`
	Details []GrantedDetail `json:"details,omitempty"`
	Until   int64           `json:"until"`
}

// Session is how the user who is there signed in.
type Session struct {
	AuthTime int64    `json:"auth_time"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
}

// ActorToken is what a presented actor_token proves.
type ActorToken struct {
	Subject  string   `json:"subject"`
	Client   string   `json:"client"`
	Chain    []string `json:"chain"`
	Expires  int64    `json:"exp"`
	Revoked  bool     `json:"revoked"`
	Problem  string   `json:"problem,omitempty"`
	Audience string   `json:"aud"`
}

// Credential is how the client proved itself.
type Credential struct {
	ID     string `json:"id"`
	Method string `json:"method"`
}

// Principal is an agent, an application or a user, with every scope it holds.
type Principal struct {
	ID        string            `json:"id"`
	Kind      string            `json:"kind"` // agent | application | user
	Name      string            `json:"name"`
	Status    string            `json:"status"` // active | suspended | decommissioned
	ExpiresAt int64             `json:"expires_at"`
	Labels    map[string]string `json:"labels"`
	// Scopes: resource server id -> scope name -> ids of the roles it comes from.
	Scopes map[string]map[string][]string `json:"scopes"`

	// The rest is of clients only.
	Owner      *Owner              `json:"owner"` // null when nobody answers for it
	GrantTypes []string            `json:"grant_types,omitempty"`
	Defaults   map[string][]string `json:"defaults,omitempty"` // resource server id -> scopes if none are requested
	MaxTTL     int64               `json:"max_ttl,omitempty"`  // seconds
	Public     bool                `json:"public,omitempty"`   // it has no credential to prove itself with
	SelfGrant  string              `json:"-"`                  // what its own tokens hang from; not for policy
}

// Alike names what is held at one service (scope -> ids of roles): two that have
// the same name are the same. Most of a principal is shared with others that way.
func Alike(scopes map[string][]string) string {
	name := strings.Builder{}
	for _, scope := range slices.Sorted(maps.Keys(scopes)) {
		list := strings.Join(scopes[scope], ",") // no blank is in a scope, and no comma in an id
		if scopes[scope] == nil {
			list = "null"
		}
		name.WriteString(scope + " " + list + " ")
	}
	return name.String()
}

// Owner is the user who answers for a client.
type Owner struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	ExpiresAt int64  `json:"expires_at"`
}

// Resource is a resource server and the scopes it defines.
type Resource struct {
	ID         string           `json:"id"`
	Identifier string           `json:"identifier"` // the audience, RFC 8707
	Name       string           `json:"name"`
	Status     string           `json:"status"`
	Operator   string           `json:"operator"` // id of the client that is this service, "" if none
	TokenTTL   int64            `json:"token_ttl"`
	MaxDepth   int              `json:"max_depth"`
	Scopes     map[string]Scope `json:"scopes"`
	// Types of authorization details, absent if there are none.
	Types map[string]DetailType `json:"types,omitempty"`
}

// Scope is what a resource server says of one of its scopes.
type Scope struct {
	Risk string `json:"risk"` // low | medium | high
}

// Token is a presented access token whose signature, issuer and type hold.
type Token struct {
	ID       string   `json:"jti"`
	Client   string   `json:"client"`  // whom it was issued to
	Subject  string   `json:"subject"` // whom it speaks for
	Audience Audience `json:"aud"`
	Chain    []string `json:"chain"` // actors, outermost first
	Expires  int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	Revoked  bool     `json:"revoked"`
	Grant    Grant    `json:"grant"`
	Txn      string   `json:"txn"`               // the first token of the chain
	Own      []string `json:"own"`               // scopes written in the token, at its audience
	Details  []Detail `json:"details,omitempty"` // written in the token, at its audience
	// Scopes is the token's reach: resource server id -> scope -> the token's
	// own scopes that lead to it. Its own scopes lead to themselves.
	Scopes map[string]map[string][]string `json:"scopes"`
}

// Audience is the service a token is locked to.
type Audience struct {
	ID       string `json:"id"`
	Operator string `json:"operator"`
	Status   string `json:"status"`
}

// Grant is the authorization a chain of tokens hangs from.
type Grant struct {
	ID        string `json:"id"`
	ExpiresAt int64  `json:"expires_at"`
	Revoked   bool   `json:"revoked"`
}

// Consent is a user's standing permission for one client at one resource server.
type Consent struct {
	ID        string          `json:"id"`
	Client    string          `json:"client"`
	Subject   string          `json:"subject"`
	Resource  string          `json:"resource"`
	Scopes    map[string]bool `json:"scopes"`
	ExpiresAt int64           `json:"expires_at"`
	Revoked   bool            `json:"revoked"`
	// RedirectsOK: the client sends people back to where it did when they were asked.
	RedirectsOK bool `json:"redirects_ok"`
	// Approval is the request that it answered and counts for, "" if it is standing.
	Approval string `json:"approval"`
	// Details of what it is to, at the resource server.
	Details []Detail `json:"details,omitempty"`
	// Reach is everything the scopes lead to, like that of a token.
	Reach map[string]map[string][]string `json:"reach"`
}

// Authorization is what a person granted to a client in one sitting, and how what
// carries it, a code or a refresh token, was presented.
type Authorization struct {
	ID        string   `json:"id"`   // of the grant it began
	Kind      string   `json:"kind"` // authorization_code | ciba | device
	Client    string   `json:"client"`
	Subject   string   `json:"subject"`
	Resources []string `json:"resources"` // ids
	// Scopes: resource server id -> scope -> itself.
	Scopes map[string]map[string][]string `json:"scopes"`
	// Details: resource server id -> what was granted of them there.
	Details    map[string][]Detail `json:"details,omitempty"`
	RedirectOK bool                `json:"redirect_ok"`
	PKCE       string              `json:"pkce"`       // ok | missing | wrong | unexpected
	ExpiresAt  int64               `json:"expires_at"` // of the code or refresh token
	EndsAt     int64               `json:"ends_at"`    // of the grant
	Revoked    bool                `json:"revoked"`    // it, or the grant
	Used       bool                `json:"used"`       // before
	AuthTime   int64               `json:"auth_time"`  // when the user signed in
	ACR        string              `json:"acr"`
	AMR        []string            `json:"amr"`
	Nonce      string              `json:"nonce,omitempty"`
}

// MarshalJSON renders the document policy sees: the form that schemas describe,
// tests are written in, and a recorded decision is replayed from.
func (in Input) MarshalJSON() ([]byte, error) {
	doc := map[string]any{
		"v": Version, "now": in.Now, "request": in.Request, "credential": in.Credential,
		"action": map[string]any{"name": in.Action},
	}
	put := func(key string, f *Fact[Principal]) {
		if f != nil {
			doc[key] = json.RawMessage(f.JSON)
		}
	}
	put("client", in.Client)
	put("subject", in.Subject)
	put("represented", in.Represented)
	if in.Parent != nil {
		doc["parent"] = in.Parent
	}
	if in.Token != nil {
		doc["token"] = in.Token
	}
	if in.Consent != nil {
		doc["consent"] = in.Consent
	}
	if in.Authorization != nil {
		doc["authorization"] = in.Authorization
	}
	if in.Session != nil {
		doc["session"] = in.Session
	}
	if in.Consents != nil {
		doc["consents"] = in.Consents
	}
	if in.Object != nil {
		doc["object"] = in.Object
	}
	if in.Approval != nil {
		doc["approval"] = in.Approval
	}
	if in.Acquaintance != nil {
		doc["acquaintance"] = in.Acquaintance
	}
	doc["chain"] = rawFacts(in.Chain)
	doc["resources"] = rawFacts(in.Resources)
	return json.Marshal(doc)
}

// rawFacts keeps the places of unknown members: policy compares position by
// position with the token's chain, so a hole must stay a hole.
func rawFacts[T any](facts []*Fact[T]) []json.RawMessage {
	out := make([]json.RawMessage, len(facts))
	for i, f := range facts {
		out[i] = json.RawMessage("null")
		if f != nil {
			out[i] = json.RawMessage(f.JSON)
		}
	}
	return out
}
