package bundles

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/policies"
)

// payment draws an object of authorization details.
func (w *world) payment(what string, amounts []any) policies.Detail {
	d := map[string]any{
		"type":   either(w, what, []string{"payment", "payment", "salary"}, []string{"transfer"}),
		"amount": either(w, what+" amount", amounts, []any{"050", "x", true, nil, -5, "5.00"}),
		"payee":  either(w, what+" payee", []string{"Bob"}, []string{"Eve"}),
	}
	if w.upTo(4, what+" to") < 4 {
		d["to"] = either(w, what+" list", [][]string{{"a", "b"}, {"b"}, {"b"}, {}}, [][]string{{"c"}, {"a", "b", "c"}})
	}
	body, err := json.Marshal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	return body
}

var (
	much   = []any{"50.5", "50.5", 50}
	little = []any{"50.5", "5", 5, "5", 5, 60, "60.5", -1}
)

// detailedWorlds are questions that are all about authorization details.
func detailedWorlds() *rapid.Generator[policies.Input] {
	return rapid.Custom(func(t *rapid.T) policies.Input {
		w := &world{t: t, always: true, noise: rapid.SampledFrom([]int{0, 0, 1, 4}).Draw(t, "noise")}
		if w.coin("everybody has the same") {
			w.same = w.payment("same", []any{"50.5", 50})
		}
		return w.question(rapid.SampledFrom([]string{
			policies.IssueClientCredentials, policies.IssueTokenExchange, policies.IssueTokenExchange, policies.IssueTokenExchange, policies.IssueAuthorizationCode,
			policies.IssueRefreshToken, policies.IssueCIBA, policies.Introspect, policies.Authorize, policies.AnswerConsent, policies.ShowApproval, policies.AnswerApproval, policies.Evaluate,
		}).Draw(t, "action"))
	})
}

func TestDetailsAgreeWithOracle(t *testing.T) {
	e, err := New(Options{House: silent()})
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		in := detailedWorlds().Draw(t, "world")
		d, err := e.Decide(context.Background(), in)
		require.NoError(t, err)
		if got, want := answer(d), judge(in); differ(got, want) {
			doc, _ := json.MarshalIndent(in, "", " ")
			t.Fatalf("the engine says %+v\nthe oracle says %+v\nasked %s", got, want, doc)
		}
	})
}

// asked is an object that a client asks for: where everybody has the same, one with
// another amount.
func (w *world) asked(what string) policies.Detail {
	if w.same == nil {
		return w.payment(what, little)
	}
	var d map[string]any
	_ = json.Unmarshal(w.same, &d)
	d["amount"] = either(w, what, little, much)
	body, _ := json.Marshal(d)
	return body
}

func (w *world) has(what string) []policies.Detail {
	if w.bad("no " + what) {
		return nil
	}
	if w.same != nil {
		return []policies.Detail{w.same}
	}
	out := []policies.Detail{w.payment(what, much)}
	if w.coin("two of " + what) {
		out = append(out, w.payment("another of "+what, much))
	}
	return out
}

// detailed adds authorization details to a question, now and then.
func (w *world) detailed(in *policies.Input) {
	kind := policies.Kind(in.Action)
	if kind != policies.KindIssue && kind != policies.KindIntrospect && kind != policies.KindAuthorize || !w.always && w.upTo(3, "details") < 3 {
		return
	}
	if kind == policies.KindIssue && w.coin("named") {
		in.Request.Details = []policies.Detail{w.asked("asked")}
		if w.coin("two asked") {
			in.Request.Details = append(in.Request.Details, w.asked("asked besides"))
		}
	}
	if kind == policies.KindAuthorize {
		w.detailedVisit(in)
	}
	if in.Consent != nil {
		in.Consent.Details = w.has("consent")
		if !w.bad("consent elsewhere") && in.Parent != nil {
			in.Consent.Resource = in.Parent.Audience.ID
		}
		if !w.bad("consent elsewhere") && in.Token != nil {
			in.Consent.Resource = in.Token.Audience.ID
		}
	}
	if in.Authorization != nil {
		in.Authorization.Details = map[string][]policies.Detail{oneServer: w.has("grant"), twoServer: w.has("grant there")}
	}
	if in.Parent != nil {
		in.Parent.Details = w.has("parent")
	}
	if in.Token != nil {
		in.Token.Details = w.has("token")
		in.Request = policies.Request{Resources: []string{}, Scopes: []string{}}
		in.Resources = []*policies.Fact[policies.Resource]{fact(w, "audience", w.resource(either(w, "audience", []string{in.Token.Audience.ID}, []string{twoServer})))}
	}
	for i, r := range in.Resources {
		if r != nil {
			v := r.Value
			v.Types = w.types()
			in.Resources[i] = fact(w, "typed", v)
		}
	}
}

func (w *world) detailedVisit(in *policies.Input) {
	in.Request.Details = []policies.Detail{w.asked("asked")}
	if w.coin("two asked") {
		in.Request.Details = append(in.Request.Details, w.asked("asked besides"))
	}
	for _, c := range in.Consents {
		c.Details = w.has("consent")
	}
	if in.Request.Answer != nil {
		for range w.upTo(2, "ticks") {
			tick := policies.GrantedDetail{Resource: either(w, "tick at", []string{oneServer, oneServer, twoServer}, []string{openID, "rsv_none"}), Index: either(w, "tick", []int{0, 0, 1}, []int{2, -1})}
			in.Request.Answer.Details = append(in.Request.Answer.Details, tick)
		}
	}
}

func (w *world) types() map[string]policies.DetailType {
	out := map[string]policies.DetailType{}
	for name, scope := range map[string]string{"payment": "read", "salary": "write"} {
		if w.bad("unknown " + name) {
			continue
		}
		out[name] = policies.DetailType{
			Scope: either(w, name+" through", []string{scope}, []string{"read", "ghost"}),
			Risk:  either(w, name+" risk", []string{"low", "low", "medium", "high"}, []string{"", "unknown"}),
			Narrow: rapid.SampledFrom([]map[string]string{
				{"amount": "at_most", "to": "subset"}, {"amount": "at_most", "to": "subset", "payee": "same"}, {"amount": "same"},
			}).Draw(w.t, name+" narrows"),
		}
	}
	return out
}

// details is what the oracle makes of authorization details at a resource server.
type details struct {
	o       *oracle
	types   map[string]policies.DetailType
	wanted  []policies.Detail
	carried []policies.Detail
	lacks   map[string][]string // by object: codes
	named   bool
}

func (o *oracle) details(at *policies.Resource) *details {
	x := &details{o: o, named: len(o.in.Request.Details) > 0, lacks: map[string][]string{}}
	if at != nil {
		x.types = at.Types
		if o.grant != nil {
			x.carried = slices.Concat(x.carried, o.grant.Details[at.ID])
		}
		if p := o.in.Parent; p != nil && p.Audience.ID == at.ID {
			x.carried = slices.Concat(x.carried, p.Details)
		}
	}
	x.wanted = x.carried
	if x.named {
		x.wanted = o.in.Request.Details
	}
	for _, d := range x.wanted {
		x.lacks[string(d)] = x.missing(at, d)
	}
	return x
}

func (x *details) kind(d policies.Detail) policies.DetailType { return x.types[kindOf(d)] }

func kindOf(d policies.Detail) string {
	var head struct{ Type string }
	_ = json.Unmarshal(d, &head)
	return head.Type
}

func (x *details) known(d policies.Detail) bool {
	return slices.Contains([]string{"low", "medium", "high"}, x.kind(d).Risk)
}

// missing names what keeps an object from being granted, but for its scope.
func (x *details) missing(at *policies.Resource, d policies.Detail) (codes []string) {
	o := x.o
	lack := func(code string, when bool) {
		if when {
			codes = append(codes, code)
		}
	}
	within := func(list []policies.Detail) bool {
		_, there := x.types[kindOf(d)]
		return there && slices.ContainsFunc(list, func(by policies.Detail) bool { return covered(x.kind(d).Narrow, d, by) })
	}
	parent := o.in.Parent
	lack("details_not_covered", !o.ofNoPerson() && (at == nil || !o.liveConsent(at.ID) || !within(o.in.Consent.Details)))
	lack("details_not_covered", o.person && (at == nil || o.grant == nil || !within(o.grant.Details[at.ID])))
	lack("details_not_covered", !o.alone && !o.person && (at == nil || parent == nil || parent.Audience.ID != at.ID || !within(parent.Details)))
	lack("approval_required", at != nil && !o.ofNoPerson() && x.kind(d).Risk == "high" && !o.approved(at.ID, x.kind(d).Scope))
	return codes
}

// liveConsent: the consent counts at a server.
func (o *oracle) liveConsent(server string) bool {
	c := o.in.Consent
	if c == nil || c.Revoked || !o.ahead(c.ExpiresAt) || !c.RedirectsOK || o.subject == nil || c.Subject != o.subject.ID || c.Resource != server {
		return false
	}
	if o.person {
		return o.client != nil && c.Client == o.client.ID
	}
	return o.token != nil && len(o.token.Chain) > 0 && c.Client == o.token.Chain[len(o.token.Chain)-1]
}

// bare: all that was to be done with a scope is gone.
func (x *details) bare(scope string) bool {
	told := false
	for _, d := range slices.Concat(x.wanted, x.carried) {
		kind, there := x.types[kindOf(d)]
		told = told || there && kind.Scope == scope
	}
	return told && !slices.ContainsFunc(x.wanted, func(d policies.Detail) bool { return len(x.lacks[string(d)]) == 0 && x.kind(d).Scope == scope })
}

// grant says what is granted with these scopes, and refuses where nothing will do.
func (x *details) grant(scopes []string) (granted, removed []string) {
	codes := map[string]bool{}
	for _, d := range slices.Concat(x.wanted, x.carried) {
		x.o.refuse("details_type_unknown", !x.known(d))
	}
	for _, d := range x.wanted {
		_, there := x.types[kindOf(d)]
		switch {
		case !there && len(x.lacks[string(d)]) == 0: // which is refused as such
		case len(x.lacks[string(d)]) > 0:
			for _, code := range x.lacks[string(d)] {
				codes[" "+code] = true
			}
		case !slices.Contains(scopes, x.kind(d).Scope):
			codes[x.kind(d).Scope+" details_scope_missing"] = true
		case !slices.Contains(granted, string(d)):
			granted = append(granted, string(d))
		}
	}
	slices.Sort(granted)
	if x.named && (!x.o.person || len(granted) == 0) {
		for code := range codes {
			x.o.refuse(code[1+slices.Index([]byte(code), ' '):], true)
		}
	}
	if x.o.person && len(scopes) > 0 {
		removed = slices.Collect(maps.Keys(codes))
	}
	return granted, removed
}

var plain = regexp.MustCompile(`^(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?$`)

// covered is narrowing, written once more.
func covered(narrow map[string]string, d, by policies.Detail) bool {
	var a, b map[string]any
	if json.Unmarshal(d, &a) != nil || json.Unmarshal(by, &b) != nil || len(a) != len(b) {
		return false
	}
	for field, value := range a {
		bound, there := b[field]
		switch {
		case !there:
			return false
		case reflect.DeepEqual(value, bound):
		case narrow[field] == "at_most":
			v, vText := size(value)
			m, mText := size(bound)
			if v < 0 || m < 0 || vText != mText || v > m {
				return false
			}
		case narrow[field] == "subset":
			some, _ := value.([]any)
			all, _ := bound.([]any)
			if len(some) == 0 || slices.ContainsFunc(some, func(one any) bool { return !slices.Contains(all, one) }) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// size is an amount, -1 if it is none.
func size(v any) (n float64, text bool) {
	switch v := v.(type) {
	case float64:
		return max(v, -1), false
	case string:
		if !plain.MatchString(v) {
			return -1, true
		}
		n, _ = strconv.ParseFloat(v, 64)
		return n, true
	}
	return -1, false
}

// seen are the details of a token that a service may see, and the scopes that fall without.
func (o *oracle) seen(held map[string]bool) (shown []string) {
	t := o.in.Token
	if t == nil || len(t.Details) == 0 {
		return nil
	}
	x := &details{o: o}
	if at := o.onlyResource(); at != nil && at.ID == t.Audience.ID {
		x.types = at.Types
	}
	served, told := map[string]bool{}, map[string]bool{}
	for _, d := range t.Details {
		kind, there := x.types[kindOf(d)]
		o.refuse("details_type_unknown", !there)
		if !there {
			continue
		}
		told[kind.Scope] = true
		agreed := o.ofNoPerson() || o.liveConsent(t.Audience.ID) &&
			slices.ContainsFunc(o.in.Consent.Details, func(by policies.Detail) bool { return covered(kind.Narrow, d, by) })
		if agreed && held[kind.Scope] {
			served[kind.Scope] = true
			if !slices.Contains(shown, string(d)) {
				shown = append(shown, string(d))
			}
		}
	}
	for scope := range told {
		held[scope] = held[scope] && served[scope]
	}
	slices.Sort(shown)
	return shown
}

func (o *oracle) onlyResource() *policies.Resource {
	if len(o.in.Resources) != 1 {
		return nil
	}
	return value(o.in.Resources[0])
}

// inquiry is an object of which a user is asked at a resource server.
type inquiry struct {
	server, scope, risk, state string
	index                      int
}

func (a inquiry) pair() string { return a.server + " " + a.scope }

// askedDetails says what a user is asked of details, and takes scopes away that go with them.
func (o *oracle) askedDetails(at []*policies.Resource, offers map[string]string) (out []inquiry) {
	some, known := map[string]bool{}, map[int]bool{}
	for _, r := range at {
		for n, d := range o.in.Request.Details {
			kind := r.Types[kindOf(d)]
			if !slices.Contains([]string{"low", "medium", "high"}, kind.Risk) {
				continue
			}
			a := inquiry{server: r.ID, scope: kind.Scope, risk: kind.Risk, index: n}
			if known[n] = true; !slices.ContainsFunc(out, func(b inquiry) bool { return a.server == b.server && a.index == b.index }) {
				out = append(out, a)
			}
			some[a.pair()] = some[a.pair()] || !(o.fromDevice() && kind.Risk == "high")
		}
	}
	for n := range o.in.Request.Details {
		o.refuse("details_type_unknown", !known[n])
	}
	for pair, any := range some {
		if offers[pair] != "" && !any {
			offers[pair] = "greyed"
		}
	}
	for i, a := range out {
		out[i].state = o.detailState(at, a, offers[a.pair()])
	}
	return out
}

func (o *oracle) detailState(at []*policies.Resource, a inquiry, scope string) string {
	if scope != "granted" && scope != "offered" || o.fromDevice() && a.risk == "high" {
		return "greyed"
	}
	if o.away || a.risk == "high" {
		return "offered"
	}
	d := o.in.Request.Details[a.index]
	for _, r := range at {
		for _, c := range o.in.Consents {
			live := !c.Revoked && o.ahead(c.ExpiresAt) && c.RedirectsOK && c.Approval == "" && c.Subject == o.subject.ID && c.Client == o.client.ID
			if r.ID == a.server && live && c.Resource == a.server &&
				slices.ContainsFunc(c.Details, func(by policies.Detail) bool { return covered(r.Types[kindOf(d)].Narrow, d, by) }) {
				return "granted"
			}
		}
	}
	return "offered"
}

// allowed filters pairs of server and scope by the details that are allowed with them.
func (o *oracle) allowed(pairs []string) (scopes []string, details []inquiry) {
	ticked := map[policies.GrantedDetail]bool{}
	if o.answers() && o.in.Request.Answer != nil {
		for _, t := range o.in.Request.Answer.Details {
			ticked[t] = true
		}
	}
	through, done := map[string]bool{}, map[string]bool{}
	for _, a := range o.inquiries {
		through[a.pair()] = true
		if tick := (policies.GrantedDetail{Resource: a.server, Index: a.index}); ticked[tick] || !o.answers() && a.state == "granted" {
			done[a.pair()] = true
			o.refuse("details_not_offered", a.state == "greyed")
			delete(ticked, tick)
			if slices.Contains(pairs, a.pair()) {
				details = append(details, a)
			}
		}
	}
	o.refuse("details_not_offered", len(ticked) > 0)
	for _, pair := range pairs {
		if !through[pair] || done[pair] {
			scopes = append(scopes, pair)
		}
	}
	return scopes, details
}

// told is what is offered of details, and granted.
func (o *oracle) told(granted []inquiry) (out []string) {
	for _, a := range o.inquiries {
		out = append(out, fmt.Sprint(a.server, a.index, a.scope, a.risk, a.state))
	}
	for _, a := range granted {
		out = append(out, fmt.Sprint(a.server, a.index))
	}
	slices.Sort(out)
	return out
}
