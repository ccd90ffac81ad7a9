package laws

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// visit has an agent send a person, who answers, and redeem what comes of it.
func (h *household) visit() {
	person, agent := one(h, h.people), one(h, h.agents)
	var asked []right
	query := url.Values{"resource": {}}
	for _, p := range some(h, h.places, 40) {
		query["resource"] = append(query["resource"], p.row.Identifier)
		for _, scope := range some(h, p.scopes, 50) {
			asked = append(asked, right{p, scope})
		}
	}
	h.note("%s sends %s for %v", agent.name, person.name, scopesOf(asked))
	a := person.browser.Follow(person.browser.Authorize(h.Query(agent.agent, nil, strings.Join(scopesOf(asked), " "), query)))

	offered, before := []right{}, []right{}
	for _, r := range asked {
		switch {
		case !person.holds[r] || !agent.holds[r]: // greyed
		case h.agreement(person, agent, r.at).scopes[r.scope]:
			before = append(before, r)
		default:
			offered = append(offered, r)
		}
	}
	switch {
	case len(offered) > 0:
		h.answer(person, agent, append(offered, before...), person.browser.Question(a))
	case len(before) > 0:
		h.seen["not asked"]++
		h.redeem(person, agent, before, person.browser.Back(a))
	default:
		h.seen["nothing to ask"]++
		require.Equal(h.TB, "access_denied", person.browser.Back(a).Get("error"))
	}
}

// answer ticks some of what is on the page, or nothing and says no.
func (h *household) answer(person, agent *soul, shown []right, q harness.Question) {
	h.seen["asked"]++
	pair := func(r right) string { return r.at.row.ID + " " + r.scope }
	var want []string
	for _, r := range shown {
		want = append(want, pair(r))
	}
	require.ElementsMatch(h.TB, want, q.Scopes, "what can be ticked is what both hold")
	if h.chance(10) {
		back := person.browser.Back(person.browser.Post("/consent", q.Form("deny")))
		require.Equal(h.TB, "access_denied", back.Get("error"))
		require.Empty(h.TB, back.Get("code"))
		h.seen["denied"]++
		return
	}
	ticked := some(h, shown, 60)
	var sent []string
	for _, r := range ticked {
		sent = append(sent, pair(r))
	}
	back := person.browser.Back(person.browser.Post("/consent", q.Form("allow", sent...)))
	h.note("%s ticks %v", person.name, scopesOf(ticked))
	for _, p := range h.places {
		h.agree(person, agent, p, shown, ticked)
	}
	h.redeem(person, agent, ticked, back)
}

func (h *household) agreement(person, agent *soul, at *place) *agreement {
	key := [3]string{person.id, agent.id, at.row.ID}
	if h.agreed[key] == nil || len(h.agreed[key].scopes) == 0 { // who agrees anew has another
		h.agreed[key] = &agreement{scopes: map[string]bool{}}
	}
	return h.agreed[key]
}

// agree remembers what was ticked at a place: what was not shown stays.
func (h *household) agree(person, agent *soul, at *place, shown, ticked []right) {
	c := h.agreement(person, agent, at)
	for _, r := range shown {
		if r.at == at {
			delete(c.scopes, r.scope)
		}
	}
	for _, r := range ticked {
		if r.at == at {
			c.scopes[r.scope] = true
		}
	}
	if c.id == "" && len(c.scopes) > 0 {
		rows, _, err := h.Store.Consents(context.Background(), models.ConsentFilter{ClientID: agent.id, SubjectID: person.id, ResourceID: at.row.ID, Live: true}, models.Page{})
		require.NoError(h.TB, err)
		require.Len(h.TB, rows, 1)
		c.id = rows[0].ID
	}
}

func (h *household) redeem(person, agent *soul, granted []right, back url.Values) {
	require.NotEmpty(h.TB, back.Get("code"), back)
	s := &sitting{person: person, agent: agent, scopes: map[*place][]string{}, rests: map[*place]*agreement{}}
	for _, r := range granted {
		s.scopes[r.at] = append(s.scopes[r.at], r.scope)
		s.rests[r.at] = h.agreement(person, agent, r.at)
	}
	h.sittings = append(h.sittings, s)
	if h.chance(15) { // a role may change between code and token
		h.give(person, 75)
	}
	h.take(s, "code", harness.CodeForm(back.Get("code")))
}

func (h *household) refresh() {
	s := one(h, h.sittings)
	if s == nil || s.refresh == "" {
		h.visit()
		return
	}
	h.take(s, "refresh", harness.RefreshForm(s.refresh))
}

// take asks for a token of a sitting, for some or all of it at one place, and now and
// then for more.
func (h *household) take(s *sitting, kind string, form url.Values) {
	h.TB.Helper()
	var at []*place
	for _, p := range h.places { // in order, so that a seed says what happens
		if s.scopes[p] != nil {
			at = append(at, p)
		}
	}
	p := one(h, at)
	asked := slices.Clone(s.scopes[p])
	form.Set("resource", p.row.Identifier)
	if h.chance(50) {
		asked = some(h, p.scopes, 60)
		form.Set("scope", strings.Join(asked, " "))
	}
	want := s.worth(p, asked)
	a := h.Form("/oauth2/token", s.agent.agent, form)
	h.note("%s of %s for %s at %s for %v: %d %s", kind, s.agent.name, s.person.name, p.row.Name, asked, a.Status, a.String("scope"))
	if len(want) == 0 {
		require.Equal(h.TB, http.StatusBadRequest, a.Status, a.Body)
		h.seen[kind+" refused"]++
		return
	}
	require.Equal(h.TB, http.StatusOK, a.Status, "%s; it is worth %v", a.Body, want)
	require.Equal(h.TB, strings.Join(want, " "), a.String("scope"))
	h.seen[kind+" granted"]++
	if len(want) < len(asked) {
		h.seen[kind+" narrowed"]++
	}
	s.refresh = a.String("refresh_token")
	require.NotEmpty(h.TB, s.refresh)
	h.passed = append(h.passed, &passed{raw: a.String("access_token"), from: s, first: p, chain: []*soul{s.agent}, at: p, scopes: want})
}

// handOn exchanges a token, mostly where it leads: as the service that it was sent to,
// or as who holds it.
func (h *household) handOn() {
	t := h.recent()
	if t == nil {
		h.visit()
		return
	}
	client := t.at.keeper
	if h.chance(20) {
		client = t.chain[0]
	}
	p := one(h, h.places)
	r := right{p, one(h, p.scopes)}
	if leads := t.at.leads[one(h, t.scopes)]; len(leads) > 0 && h.chance(80) {
		r = one(h, leads)
	}
	against := t.against(client, r)
	a := h.Form("/oauth2/token", client.agent, harness.ExchangeForm(t.raw, r.at.row.Identifier, r.scope))
	h.note("%s hands on to %s: %d %s (%s)", client.name, r.scope, a.Status, a.String("error_description"), against)
	if against != "" {
		require.GreaterOrEqual(h.TB, a.Status, 400, "granted, although %s", against)
		h.seen["not handed on"]++
		return
	}
	require.Equal(h.TB, http.StatusOK, a.Status, a.Body)
	require.Equal(h.TB, r.scope, a.String("scope"))
	next := &passed{raw: a.String("access_token"), from: t.from, first: t.first, chain: t.chain, at: r.at, scopes: []string{r.scope}}
	if t.chain[0] != client {
		next.chain = append([]*soul{client}, t.chain...)
	}
	h.passed = append(h.passed, next)
	h.seen["handed on"]++
	if len(next.chain) > 2 {
		h.seen["third hand"]++
	}
}

// recent is a token of late, often one that was handed on.
func (h *household) recent() *passed {
	late := h.passed[max(0, len(h.passed)-12):]
	if far := slices.DeleteFunc(slices.Clone(late), func(t *passed) bool { return len(t.chain) < 2 }); len(far) > 0 && h.chance(50) {
		late = far
	}
	return one(h, late)
}

// look asks what a token is worth, as the service it is for.
func (h *household) look() {
	t := h.recent()
	if t == nil {
		return
	}
	a := h.Form("/oauth2/introspect", t.at.keeper.agent, url.Values{"token": {t.raw}})
	want := t.left()
	h.note("%v of %s through %d: active %v %s", t.scopes, t.from.person.name, len(t.chain), a.JSON["active"], a.String("scope"))
	require.Equal(h.TB, len(want) > 0, a.JSON["active"], "%s; it is worth %v", a.Body, want)
	require.Equal(h.TB, strings.Join(want, " "), a.String("scope"))
	switch {
	case len(want) == 0:
		h.seen["inactive"]++
	case len(want) < len(t.scopes):
		h.seen["less active"]++
	default:
		h.seen["active"]++
	}
}

// takeBack has a person end one scope of what they agreed to, or all of it.
func (h *household) takeBack() {
	s := one(h, h.sittings)
	if s == nil {
		return
	}
	for _, p := range h.places {
		c := s.rests[p]
		if c == nil || len(c.scopes) == 0 {
			continue
		}
		scope := ""
		if h.chance(70) {
			scope = one(h, slices.DeleteFunc(slices.Clone(p.scopes), func(s string) bool { return !c.scopes[s] }))
		}
		require.NoError(h.TB, h.Store.RevokeConsent(context.Background(), models.By{SubjectID: s.person.id}, c.id, scope))
		if delete(c.scopes, scope); scope == "" {
			clear(c.scopes)
		}
		h.note("%s takes back %q of %s at %s", s.person.name, scope, s.agent.name, p.row.Name)
		h.seen["taken back"]++
		return
	}
}

// giveUp has an agent revoke its refresh token, and with it the sitting.
func (h *household) giveUp() {
	s := one(h, h.sittings)
	if s == nil || s.refresh == "" {
		return
	}
	require.Equal(h.TB, http.StatusOK, h.Form("/oauth2/revoke", s.agent.agent, url.Values{"token": {s.refresh}}).Status)
	s.ended = true
	h.note("%s gives up what %s granted", s.agent.name, s.person.name)
	h.seen["given up"]++
}

func scopesOf(rights []right) (out []string) {
	for _, r := range rights {
		out = append(out, r.scope)
	}
	return out
}
