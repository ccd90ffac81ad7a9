package bundles

import (
	"slices"
	"strings"

	"github.com/deputyauth/deputy/policies"
)

// Advice tells what the authors of the policies that serve say of a reason that
// was given for an action: whose rule it is, and what would change the answer.
func (e *Engine) Advice(action string, r policies.Reason) policies.Advice {
	_, advice := e.find(policies.Kind(action), r, e.serving.Load().layer)
	return advice
}

// find looks up the rule of a reason. Only the house's rules give reasons of
// party house, and compose those about the house; where several rules of a house
// can have given one, each is named. What the house's author does not say of a
// reason that compose words, compose says.
func (e *Engine) find(kind string, r policies.Reason, house *layer) (at string, advice policies.Advice) {
	var found []rule
	for _, l := range []*layer{house, e.floor, e.compose} {
		found = append(found, giversOf(l.rules[kind][ruleKey{r.Code, r.Party}], r)...)
		if l == house && len(found) == 0 && r.Party == "house" && !e.composes(kind, r) {
			found = giversOf(l.rules[kind][computed], policies.Reason{})
		}
	}
	if len(found) == 0 {
		return "", policies.Advice{}
	}
	at, advice = found[0].at, found[0].advice
	if advice.Layer == policies.LayerHouse {
		at = strings.Join(places(found, policies.LayerHouse), " or ")
	}
	for _, one := range found[1:] {
		complete(&advice, one.advice)
	}
	if r.Party == "house" {
		advice.Layer = policies.LayerHouse
	}
	return at, advice
}

// composes tells whether compose itself gives a reason about the house.
func (e *Engine) composes(kind string, r policies.Reason) bool {
	return len(e.compose.rules[kind][ruleKey{r.Code, r.Party}]) > 0
}

// places are those of one layer, each once.
func places(found []rule, layer string) []string {
	var out []string
	for _, one := range found {
		if one.advice.Layer == layer && !slices.Contains(out, one.at) {
			out = append(out, one.at)
		}
	}
	return out
}

// complete adds what is still to be said.
func complete(a *policies.Advice, more policies.Advice) {
	if a.Lacks == "" {
		a.Lacks = more.Lacks
	}
	if a.Remedy == "" {
		a.Remedy, a.Who = more.Remedy, more.Who
	}
	if a.Party == "" {
		a.Party = more.Party
	}
}
