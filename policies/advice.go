package policies

// Advice is what the author of a rule says of the reason it gives, in the
// METADATA above it: title, description, and under custom the rest.
type Advice struct {
	Layer       string   // LayerFloor | LayerHouse | LayerServer: whose rule it is
	Description string   // of the rule, "" if it has none
	Party       string   // whom the reason is about, where it does not say so itself
	Lacks       string   // what that party lacks, in a word
	Remedy      string   // what would change the answer
	Who         []string // who could do that: one of the words below, or a scope of Deputy's own API
}

// Layers that give reasons.
const (
	LayerFloor  = "floor"
	LayerHouse  = "house"
	LayerServer = "server" // Deputy itself, before or after policy had its say
)

// Words for who could change something. Any other word is a right: whoever
// holds that scope of Deputy's own API.
const (
	WhoRequester = "requester" // whoever sends the request
	WhoOwner     = "owner"     // the user who answers for the party
	WhoOperator  = "operator"  // the client that is the resource server
	WhoSubject   = "subject"   // the user the token speaks for
	WhoAuthor    = "author"    // of house policy
	WhoHost      = "host"      // whoever runs Deputy
)
