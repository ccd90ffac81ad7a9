package policies

// Decision is one answer of policy. Go carries it out to the letter: it never
// intersects, trims or defaults what stands here.
type Decision struct {
	Allow bool `json:"allow"`
	// Reasons is empty exactly when Allow holds.
	Reasons []Reason `json:"reasons"`

	// Of an issue decision only.
	Scopes   []string       `json:"scopes,omitempty"`
	Resource string         `json:"resource,omitempty"` // id of the resource server
	Audience string         `json:"audience,omitempty"` // its identifier, the aud claim
	TTL      int64          `json:"ttl,omitempty"`      // seconds; also of a secret that a client makes for itself
	Subject  string         `json:"subject,omitempty"`
	Chain    []string       `json:"chain,omitempty"` // actors, outermost first
	Claims   map[string]any `json:"claims,omitempty"`
	Removed  []Reason       `json:"removed,omitempty"` // scopes taken away, and why

	Details []Detail `json:"details,omitempty"` // of the authorization (RFC 9396), and of an introspected token

	Refreshable bool `json:"refreshable,omitempty"` // a refresh token goes with it

	IDToken *IDToken `json:"id_token,omitempty"` // what goes with it to tell who the user is; nil: nothing

	// Of a question who the user of a token is.
	Release []string `json:"release,omitempty"` // names of claims

	// Of a question which events somebody may follow.
	Services []string `json:"services,omitempty"` // ids of the resource servers that they hear of

	// Of a decision about a client that asks for a user only.
	Ask    string   `json:"ask,omitempty"`     // AskNothing | AskSignIn | AskConsent: what is to happen next
	SignIn []string `json:"sign_in,omitempty"` // why: nobody | prompt | max_age | acr | subject
	Offers []Offer  `json:"offers,omitempty"`
	Grants []Grants `json:"grants,omitempty"` // what the client gets, once nothing is asked any more
	Once   []string `json:"once,omitempty"`   // ids of servers of which what is granted counts for this request alone
	// Details are likewise offered and granted.
	DetailOffers []DetailOffer   `json:"detail_offers,omitempty"`
	DetailGrants []GrantedDetail `json:"detail_grants,omitempty"`

	Until int64 `json:"until,omitempty"` // the end of a consent: the last there may be, or the one that was chosen

	// Ends is the moment, in unix seconds, at which the token ends because somebody or
	// something does that it hangs from, so that TTL is what was left until then; 0 if
	// it has all the seconds that it may have.
	Ends int64 `json:"ends,omitempty"`
	// ValidUntil is the last moment, in unix seconds, at which the same question on
	// the same facts has the same answer, save that TTL follows Ends where that is set;
	// 0 if policy does not say.
	ValidUntil int64 `json:"valid_until,omitempty"`
	// Reused is set by the engine: the question had been answered before.
	Reused bool `json:"reused,omitempty"`

	// Revision is set by the engine: which policies gave the answer.
	Revision Revision `json:"revision"`
}

// IDToken is what may be told of a user to a client they signed in to. Policy names
// the claims; what they are is in no decision.
type IDToken struct {
	Claims []string `json:"claims"`
	TTL    int64    `json:"ttl"` // seconds
}

// What is to happen with a client that asks for a user.
const (
	AskNothing = "nothing"
	AskSignIn  = "sign_in"
	AskConsent = "consent"
)

// Offer is one scope that a client asks a user for.
type Offer struct {
	Resource string   `json:"resource"` // id
	Scope    string   `json:"scope"`
	Risk     string   `json:"risk"`
	State    string   `json:"state"`             // granted before | offered | greyed
	Reasons  []Reason `json:"reasons,omitempty"` // why it is greyed
}

// Grants is one scope that a client gets.
type Grants struct {
	Resource string `json:"resource"`
	Scope    string `json:"scope"`
}

// DetailOffer is one of the details that a client asks a user for.
type DetailOffer struct {
	Resource string   `json:"resource"` // id
	Index    int      `json:"index"`    // position among the request's details
	Type     string   `json:"type"`
	Scope    string   `json:"scope"` // through which it is held
	Risk     string   `json:"risk"`
	State    string   `json:"state"`             // granted before | offered | greyed
	Reasons  []Reason `json:"reasons,omitempty"` // why it is greyed
}

// GrantedDetail is one of the details that a client gets at a resource server.
type GrantedDetail struct {
	Resource string `json:"resource"` // id
	Index    int    `json:"index"`    // position among the request's details
}

// Reason says why something was refused or removed.
type Reason struct {
	Code  string `json:"code"`
	Party string `json:"party,omitempty"` // client | subject | actor | consent | parent | resource | house …
	ID    string `json:"id,omitempty"`    // of the party
	Scope string `json:"scope,omitempty"`
	Value string `json:"value,omitempty"` // what was seen, when that helps
	Rule  string `json:"rule,omitempty"`  // file:line, set by the engine
}

// Revision names the policies behind a decision by the digest of their sources.
type Revision struct {
	Floor string `json:"floor"`
	House string `json:"house"`
}

// Codes the engine itself gives when policy could not answer.
const (
	CodePolicyError = "policy_error"
	CodeSeatBelt    = "seat_belt"
)
