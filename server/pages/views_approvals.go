package pages

import "time"

// Approvals is the page "approvals": what waits for the person, and what they
// answered lately.
type Approvals struct {
	Member
	Version string // of what waits: a script asks whether it is still so
	Waits   []ApprovalCard
	Lately  []ApprovalCard
}

func (Approvals) scripted() bool { return true }

// ApprovalCard is one request for the person's word, in short.
type ApprovalCard struct {
	ID       string
	Agent    Party
	Services []string // names
	What     []string // in plain words
	Device   bool     // asked by a device that has no browser
	State    string   // approval.state.<state> in the locales
	Until    time.Time
	At       time.Time // when it came to its end; zero: it waits
}

// Approval is the page "approval": an agent in the background, or a device
// without a browser, waits for the person's word. The form carries the person's
// answers, never facts: "scope" once for each tick, "until", and "answer" (deny,
// allow, or report, which denies and says why).
type Approval struct {
	Form
	ID       string
	Version  string
	Agent    Party
	Owner    string // who runs the agent, "" if nobody known
	Purpose  string // of the agent, in its owner's words
	User     string // name of the person asked
	Message  string // in the words of the agent, which nobody here has checked
	Code     string // to compare with what the agent shows, "" if there is none
	Services Services
	Choices  []Choice
	Asked    time.Time
	Until    time.Time // an answer counts until then
	Origin   Origin
	Device   bool // asked by a device, with a code that the person entered
	Itself   bool // it asks for what it would do in nobody's name but its own
	HandsOn  bool // it asks to go on with a token that it holds
	Risky    bool // a scope of high risk is among what is asked

	// Again: who is here must sign in anew before they can allow it. Strong: a
	// password alone will not do for that.
	Again, Strong bool
	Passkeys      bool
	Refused       string // id of the decision that it cannot be allowed as things are, "" if it can
}

func (Approval) scripted() bool { return true }

// Origin is where a request came from, as far as it can be told.
type Origin struct {
	IP      string
	Browser string // in few words, "" if it is none
	Program string // what calls itself so, "" if it says nothing
}

// Services is what is asked for, by service.
type Services []Asked

// Names are the names of the services asked for.
func (s Services) Names() []string {
	var names []string
	for _, a := range s {
		names = append(names, a.Service.Name)
	}
	return names
}

// States of an approval as people see it.
const (
	StatePending   = "pending"
	StateApproved  = "approved"
	StateDenied    = "denied"
	StateReported  = "reported"
	StateExpired   = "expired"
	StateCancelled = "cancelled"
)

// Answered is the page "answered": how a request for approval ended.
type Answered struct {
	ID        string
	State     string
	Agent     Party
	Device    bool
	Elsewhere bool // it had ended before the person answered here
	Just      bool // it was answered by this very request
	What      []Taken
	At        time.Time // when it ended
	Until     time.Time // the end of what was allowed; zero: nothing was
	Over      bool      // what was allowed has ended since
	Machine   bool      // it was allowed one token, which no consent stands for
	Used      bool      // which it has got
	Waits     int       // how many others wait
}

// Device is the page "device": the code that a device without a browser shows.
type Device struct {
	Form
	Member
	Code string // as it came, or as typed
}
