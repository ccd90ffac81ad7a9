package pages

import "time"

// Party is an agent or a service as people see it: a name, and a monogram whose
// colour hangs from the id, so that two of the same name look different.
type Party struct {
	ID         string
	Name       string
	Unverified bool // nobody has checked whose it is
}

// Problem is what is wrong with a form. Code picks the words (problem.<code> in
// the locales); Field is the form field it belongs to, "" if none.
type Problem struct {
	Field string
	Code  string
	N     int // a number in the words, such as a least length
}

// Form is embedded by views of pages with a form that may be shown again.
type Form struct{ Problems []Problem }

func (f Form) failed() []Problem { return f.Problems }

// Notice says what has just been done (notice.<code> in the locales).
type Notice struct {
	Code string
	Name string
	N    int
	Good bool // it went as the person wanted
}

// Member is embedded by views of pages that only somebody signed in sees.
type Member struct {
	Name   string // of the person
	Waits  int    // how many requests wait for their approval
	Notice *Notice
}

func (m Member) member() Member { return m }

// Index is the page at the issuer itself: "index".
type Index struct{ Issuer string }

// Failure is the page for what cannot go on: "error". Code picks the words
// (error.title, .what and .todo in the locales). It says nothing that whoever
// sees it may not know.
type Failure struct {
	Code     string
	Client   string // client_id, where it is known to exist
	Detail   string // for whoever builds the client, in English
	Decision string // id
	Back     string // local path, "" if there is none
}

// Waiting says for whom somebody signs in.
type Waiting struct {
	Agent   Party
	Service string // "" if it is not known
}

// SignIn is the page "signin".
type SignIn struct {
	Form
	Return    string // opaque id of what goes on after signing in
	Username  string // as typed
	Waiting   *Waiting
	Notice    *Notice
	Again     bool // signed in already, but that does not do
	Strong    bool // a password alone will not do
	Passkeys  bool // offer them, where JavaScript runs
	Providers []Provider
}

func (s SignIn) scripted() bool { return s.Passkeys }

// Provider is an upstream OpenID provider to sign in with.
type Provider struct{ Name, Path string }

// Leaving is the page "leaving": on the way to an upstream provider.
type Leaving struct {
	Host string // of the provider
	Link safeLink
}

// SecondFactor is the page "secondfactor": the code of an authenticator app.
type SecondFactor struct {
	Form
	Return  string
	Waiting *Waiting
}

// Purposes of a NewPassword.
const (
	Recover = "recover"
	Invite  = "invite"
)

// NewPassword is the page "newpassword", behind a one-time link.
type NewPassword struct {
	Form
	Purpose  string // Recover or Invite
	Action   string // local path that the form posts to
	Username string
}

// Setup is the page "setup": the first person, who administers.
type Setup struct {
	Form
	Action                string // local path that the form posts to
	Name, Username, Email string // as typed
}

// Logout is the page "logout": a client asks that the person signs out here, too.
type Logout struct {
	Agent    string // its name, "" if nobody says who asks
	ClientID string
	Redirect string // where it wants them back, as it was asked
	State    string
}

// SignedOut is the page "signedout".
type SignedOut struct{}

// TOTP is the page "totp": an authenticator app is added.
type TOTP struct {
	Form
	Member
	Secret string // base32, in groups
	Link   safeLink
}

// Security is the page "security".
type Security struct {
	Form
	Member
	Username    string
	PasswordSet time.Time // zero: there is none
	TOTP        bool
	Passkeys    int
	Identities  []Linked
	Providers   []Provider // that one can link
}

// Linked is somebody's identity at an upstream provider.
type Linked struct {
	ID    string
	Name  string // of the provider
	Since time.Time
}

// Sessions is the page "sessions".
type Sessions struct {
	Member
	Sessions []Session
}

// Session is where somebody is signed in.
type Session struct {
	ID       string
	Device   string // "Firefox on Linux"
	IP       string
	SignedIn time.Time
	Seen     time.Time
	How      string // pwd, otp, passkey, provider
	Current  bool
}

// Passkeys is the page "passkeys".
type Passkeys struct {
	Member
	Passkeys []Passkey
}

func (Passkeys) scripted() bool { return true }

// Passkey is one of a person's passkeys.
type Passkey struct {
	ID    string
	Name  string
	Added time.Time
	Used  time.Time // zero: never
}
