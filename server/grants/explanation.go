package grants

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
)

// Lack is one thing that stands between a request and its token.
type Lack struct {
	Party     string // who lacks it: see partyNames, and client, subject, actor, consent
	PartyID   string
	PartyName string
	Lacks     string // what, in a word
	Scope     string // which scope, if it is one
	Value     string // what was seen instead, when that helps

	Reason      string // code of the reason
	Layer       string // whose rule gave it: policies.Layer…
	Rule        string // file:line
	Description string // of the rule, by its author
	Message     string // the reason in plain words
	Remedy      string // what would change it
	Who         []Changer
	// Follows holds for what is only so because of another lack.
	Follows bool
}

// Changer is somebody who could change the answer.
type Changer struct {
	Kind  string // policies.Who…, whoAdministrator or whoOther
	Right string // the scope of Deputy's own API an administrator needs for it
	ID    string
	Name  string
}

// Kinds of changers beside policies.Who….
const (
	whoAdministrator = "administrator" // whoever holds a right over Deputy
	whoOther         = "other"         // somebody whom only a house's author knows
)

// partyNames are how the parties of reasons are called to people.
var partyNames = map[string]string{
	"parent": "parent_token", "resource": "resource_server", "house": "house_policy", "floor": "deputy", "": "deputy",
}

const hostRemedy = "Find the fault in the log under this decision, and report it."

// tell adds to a decision what stands in its way, and who could change that.
func (e *Endpoint) tell(ctx context.Context, view *models.View, x *Explanation) error {
	x.Granted = x.Decision.Allow
	names := newNames(ctx, view, x.Input)
	if !x.Granted {
		id := ""
		if x.Entry != nil {
			id = x.Entry.ID
		}
		x.Told = refusal(x.Input, x.Decision, id)
	}
	for _, r := range ranked(x.Decision.Reasons) {
		x.Missing = append(x.Missing, e.lack(names, x, r))
	}
	for _, o := range x.Decision.Offers {
		names.of(o.Resource)
		offered := Offered{Offer: o}
		for _, r := range ranked(o.Reasons) {
			offered.Missing = append(offered.Missing, e.lack(names, x, r))
		}
		x.Offers = append(x.Offers, offered)
	}
	slices.SortFunc(x.Offers, func(a, b Offered) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Scope, b.Scope))
	})
	for _, id := range append([]string{x.Decision.Subject, x.Decision.Resource}, x.Decision.Chain...) {
		names.of(id)
	}
	x.Names = names.known
	return names.err
}

// ranked puts the reasons in the order in which they are told.
func ranked(reasons []policies.Reason) []policies.Reason {
	out := slices.Clone(reasons)
	slices.SortStableFunc(out, func(a, b policies.Reason) int {
		_, first := find(a)
		_, second := find(b)
		return first - second
	})
	return out
}

func (e *Endpoint) lack(names *names, x *Explanation, r policies.Reason) Lack {
	a := e.advised(x.Input.Action, r)
	party := cmp.Or(r.Party, a.Party)
	l := Lack{
		Party: cmp.Or(partyNames[party], party), PartyID: cmp.Or(r.ID, tokenIn(x.Input, party)), Lacks: a.Lacks, Scope: r.Scope, Value: r.Value,
		Reason: r.Code, Layer: a.Layer, Rule: r.Rule, Description: a.Description, Remedy: a.Remedy,
		Follows: follows(r, x.Decision.Reasons),
	}
	l.PartyName = names.of(l.PartyID)
	says, _ := find(r)
	l.Message = says.say(newTeller(x.Input).knowing(names.known), r)
	for _, word := range a.Who {
		if c, ok := changer(x.Input, r, word); ok {
			c.Name = cmp.Or(c.Name, names.of(c.ID))
			l.Who = append(l.Who, c)
		}
	}
	return l
}

// advised is what the rule's author says, or what can be said of every reason of
// that layer.
func (e *Endpoint) advised(action string, r policies.Reason) policies.Advice {
	a := e.advice.Advice(action, r)
	switch {
	case r.Party == "house" || a.Layer == policies.LayerHouse:
		what := "permission"
		if r.Scope != "" {
			what = "scope"
		}
		a.Layer, a.Lacks = policies.LayerHouse, cmp.Or(a.Lacks, what)
		a.Remedy = cmp.Or(a.Remedy, "Change the rule, or what it looks at.")
		if !slices.Contains(a.Who, policies.WhoAuthor) {
			a.Who = append(slices.Clone(a.Who), policies.WhoAuthor)
		}
	case a.Remedy == "": // Deputy's own reasons, and those of rules that serve no more
		a = policies.Advice{Layer: policies.LayerServer, Lacks: "answer", Remedy: hostRemedy, Who: []string{policies.WhoHost}}
	}
	return a
}

// tokenIn is the id of the token that a reason is about.
func tokenIn(in policies.Input, party string) string {
	if party != "parent" {
		return ""
	}
	for _, t := range []*policies.Token{in.Parent, in.Token} {
		if t != nil {
			return t.ID
		}
	}
	return ""
}

// changer finds out whom a word of an author means, if there is anybody.
func changer(in policies.Input, r policies.Reason, word string) (Changer, bool) {
	c := Changer{Kind: word}
	switch word {
	case policies.WhoRequester:
		if in.Client != nil {
			c.ID, c.Name = in.Client.Value.ID, in.Client.Value.Name
		}
	case policies.WhoOwner:
		c.ID = ownerOf(in, r.ID)
		return c, c.ID != ""
	case policies.WhoOperator:
		c.ID = operatorOf(in, r.ID)
		return c, c.ID != ""
	case policies.WhoSubject:
		if in.Subject != nil {
			c.ID, c.Name = in.Subject.Value.ID, in.Subject.Value.Name
		}
	case policies.WhoAuthor, policies.WhoHost:
	default:
		if strings.Contains(word, ":") && !strings.Contains(word, " ") {
			return Changer{Kind: whoAdministrator, Right: word}, true
		}
		return Changer{Kind: whoOther, Name: word}, true
	}
	return c, true
}

func ownerOf(in policies.Input, id string) string {
	for _, p := range append([]*policies.Fact[policies.Principal]{in.Client, in.Subject}, in.Chain...) {
		if p != nil && p.Value.ID == id && p.Value.Owner != nil {
			return p.Value.Owner.ID
		}
	}
	return ""
}

func operatorOf(in policies.Input, id string) string {
	for _, r := range in.Resources {
		if r != nil && r.Value.ID == id {
			return r.Value.Operator
		}
	}
	if in.Parent != nil && in.Parent.Audience.ID == id {
		return in.Parent.Audience.Operator
	}
	return ""
}

// names are those of a decision's own parties, and of who answers for them.
type names struct {
	known map[string]string
	load  func(id string) (string, error)
	err   error
}

func newNames(ctx context.Context, view *models.View, in policies.Input) *names {
	return &names{known: newTeller(in).names, load: func(id string) (string, error) {
		if models.HasPrefix(id, models.PrefixResource) {
			r, err := view.Resource(ctx, id)
			if r == nil {
				return "", err
			}
			return r.Value.Name, err
		}
		p, err := view.Principal(ctx, id)
		if p == nil {
			return "", err
		}
		return p.Value.Name, err
	}}
}

// of is the name behind an id, "" if there is none.
func (n *names) of(id string) string {
	name, ok := n.known[id]
	if ok || id == "" || n.err != nil {
		return name
	}
	if name, n.err = n.load(id); name != "" {
		n.known[id] = name
	}
	return name
}
