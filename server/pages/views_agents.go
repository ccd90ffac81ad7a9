package pages

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Consent is the page "consent": an agent asks. The form carries the id of the
// authorization request and the person's answers, never facts: "scope" once for
// each tick, "until", and "answer" (allow or deny).
type Consent struct {
	Form
	Authorization string // id of the authorization request
	Agent         Party
	Owner         string // who runs the agent, "" if nobody known
	Purpose       string // of the agent, in its owner's words
	User          string // name of the person asked
	Services      Services
	Until         []Choice
	RedirectHost  string // where the answer goes
	App           bool   // RedirectHost is the scheme of an app on this device
	Risky         bool   // something of high risk is among it
	LocalOnly     bool   // the answer goes to a program on this device
}

// Asked is what is asked for at one service.
type Asked struct {
	Service Party
	Scopes  []Scope
	Details []Detail
}

// Scope is one scope in plain words.
type Scope struct {
	Value  string // what the form sends for it: the pair, in one word
	Name   string
	Words  string // plain language, from the resource server
	Risk   string // low, medium, high
	Ticked bool
	Before bool   // consented to before
	Greyed string // why it cannot be ticked (greyed.<code> in the locales), "" if it can
}

// Choice is an end that policy allows.
type Choice struct {
	Value  string // what the form sends for it
	Days   int
	Hours  int // where it is less than a day
	End    time.Time
	Chosen bool
}

// Continue is the page "continue", which leaves for the client: a form may only
// post to Deputy itself, and browsers hold the redirect after it to that too.
type Continue struct {
	Agent string // name
	Host  string // where the link leads, for the eye
	Link  template.URL
	How   string // continue.<how> in the locales
}

// How a request was answered.
const (
	Allowed = "allowed"
	Denied  = "denied"  // by the person
	Refused = "refused" // by policy
	Left    = "left"    // nothing was asked: the person signed out
)

type safeLink = template.URL

// scripts are schemes that would run in, or read from, the browser itself.
var scripts = []string{"javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source"}

// NewContinue makes the page that leads to a redirect URI, whatever its scheme.
func NewContinue(to, agent, how string) (Continue, error) {
	u, err := url.Parse(to)
	if err != nil || !u.IsAbs() || slices.Contains(scripts, strings.ToLower(u.Scheme)) || strings.ContainsAny(to, "\"'<>\\ \t\r\n") {
		return Continue{}, fmt.Errorf("no page may lead to %q", to)
	}
	host := u.Host
	if u.Scheme != "https" && u.Scheme != "http" {
		host = u.Scheme
	}
	return Continue{Agent: agent, Host: host, Link: template.URL(to), How: how}, nil
}

// Agents is the page "agents": who may act for the person.
type Agents struct {
	Member
	Offers []OfferCard // to answer for an agent
	Agents []AgentCard
	Owned  []OwnedCard // that the person answers for, whether or not they act for them
}

// AgentCard is one agent and what it may do, in short.
type AgentCard struct {
	Agent    Party
	Owner    string
	Status   string   // active, suspended, expired, decommissioned
	Services []string // names
	Scopes   int
	Since    time.Time
	Until    time.Time
	Used     time.Time // zero: never
}

// AgentPage is the page "agent": what one agent may do, and what it did.
type AgentPage struct {
	Form
	Member
	Agent    Party
	Owner    string
	Purpose  string
	Status   string
	Consents []Held
	Deeds    []Deed
	Older    string // local path of older deeds, "" if there are none
	Live     int    // tokens that would end with it

	Answering *Answering // nil: the person does not answer for it
}

// Held is a consent as the person holds it.
type Held struct {
	ID            string
	Service       Party
	Since, Until  time.Time
	Used          time.Time // zero: never
	PreApprovedBy string    // name of the administrator who consented in the person's stead
	Scopes        []Scope
}

// Kinds of a Deed (deed.<kind> in the locales).
const (
	DeedToken   = "token"   // took a token for Service, with What
	DeedPassed  = "passed"  // let To go on at Service, with What
	DeedRefused = "refused" // asked for What at Service and did not get it
	DeedAsked   = "asked"   // the person consented
	DeedRevoked = "revoked" // the person took What at Service back
	DeedInPlace = "inplace" // To, an administrator, consented in the person's place
	DeedEnded   = "ended"   // To, an administrator, took What at Service back
)

// Deed is one entry of the ledger about an agent and a person, told to the person.
type Deed struct {
	At      time.Time
	Kind    string
	Service string
	What    []string // in plain words
	To      string   // name of another agent, or of an administrator
}

// Kinds of a Revoke (revoke.<kind> in the locales).
const (
	RevokeScope   = "scope"
	RevokeConsent = "consent"
	RevokeAgent   = "agent"
)

// Revoke is the page "revoke": is it to be taken back, and what falls with it.
type Revoke struct {
	Member
	Kind   string
	Agent  Party
	What   []Taken
	Live   int    // tokens that are concerned
	Action string // local path that the form posts to
	Scope  string // what the form sends for the scope, "" if it is about all
}

// Taken is what would be taken back at one service, in plain words.
type Taken struct {
	Service string
	Scopes  []string
}
