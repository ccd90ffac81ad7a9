package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/tests/harness"
)

// desk is a service that asks what somebody may do at it.
type desk struct {
	*sitting
	operator *harness.Client
}

// doc is a JSON object.
type doc = map[string]any

func newDesk(t *testing.T, dialect string, o harness.Options) *desk {
	d := &desk{sitting: &sitting{Server: harness.New(t, dialect, o)}}
	d.operator = d.Agent("desk", d.User("desk-owner"))
	d.service = d.Service("desk", d.operator, "desk:read", "desk:write")
	d.user, d.agent = d.acting()
	return d
}

// acting is a new user, and a new agent that they let act for them at the desk.
func (d *desk) acting() (*models.User, *harness.Client) {
	d.TB.Helper()
	name := models.NewID("x")[2:]
	user, agent := d.User("user-"+name), d.ForPeople(d.Agent("agent-"+name, d.User("owner-"+name)))
	for _, id := range []string{user.ID, agent.ID} {
		d.Allow(id, d.service, "desk:read", "desk:write")
	}
	return user, agent
}

// consents has a user agree to desk:read, and gives the code.
func (d *desk) consents(user *models.User, agent *harness.Client) harness.Granted {
	return d.Grant(user, agent, map[string][]string{d.service.ID: {"desk:read"}}, nil)
}

// about is a question about somebody, and those who act for them, outermost first.
func (d *desk) about(kind, id string, actors ...string) doc {
	subject := doc{"type": kind, "id": id}
	if act := acts(actors); act != nil {
		subject["properties"] = doc{"act": act}
	}
	return doc{
		"subject": subject, "action": doc{"name": "desk:read"},
		"resource": doc{"type": "resource_server", "id": d.service.Identifier},
	}
}

func acts(actors []string) doc {
	if len(actors) == 0 {
		return nil
	}
	act := doc{"sub": actors[0]}
	if more := acts(actors[1:]); more != nil {
		act["act"] = more
	}
	return act
}

// more is a question with more of it.
func more(question doc, members doc) doc {
	out := doc{}
	for _, of := range []doc{question, members} {
		for name, value := range of {
			out[name] = value
		}
	}
	return out
}

func (d *desk) post(path string, as *harness.Client, body any, edit func(*http.Request)) harness.Answer {
	d.TB.Helper()
	raw, isText := body.(string)
	if !isText {
		b, err := json.Marshal(body)
		require.NoError(d.TB, err)
		raw = string(b)
	}
	req, err := http.NewRequest(http.MethodPost, d.URL+path, bytes.NewBufferString(raw))
	require.NoError(d.TB, err)
	req.Header.Set("Content-Type", "application/json")
	if as != nil {
		as.As(req)
	}
	if edit != nil {
		edit(req)
	}
	return d.Send(req)
}

// asks is the answer to a question, which must be one.
func (d *desk) asks(as *harness.Client, question doc) (bool, harness.Answer) {
	d.TB.Helper()
	a := d.post("/access/v1/evaluation", as, question, nil)
	require.Equal(d.TB, http.StatusOK, a.Status, a.Body)
	decision, ok := a.JSON["decision"].(bool)
	require.True(d.TB, ok, a.Body)
	return decision, a
}

// codesIn are the reasons of an answer.
func codesIn(answer doc) (out []string) {
	context, _ := answer["context"].(doc)
	reasons, _ := context["reasons"].([]any)
	for _, r := range reasons {
		out = append(out, r.(doc)["code"].(string))
	}
	return out
}

// refuses must be answered no, for these reasons and no others.
func (d *desk) refuses(as *harness.Client, question doc, codes ...string) harness.Answer {
	d.TB.Helper()
	yes, a := d.asks(as, question)
	require.False(d.TB, yes, a.Body)
	require.ElementsMatch(d.TB, codes, codesIn(a.JSON), a.Body)
	return a
}

func (d *desk) permits(as *harness.Client, question doc) harness.Answer {
	d.TB.Helper()
	yes, a := d.asks(as, question)
	require.True(d.TB, yes, a.Body)
	require.Empty(d.TB, codesIn(a.JSON))
	return a
}

// Whatever takes away what a decision rests on makes the next one no, whether the
// service has the token or says itself who acts.
func TestDecisionsFollowWhatTheyRestOn(t *testing.T) {
	type resting struct {
		*desk
		user  *models.User
		agent *harness.Client
		given harness.Granted
	}
	by := models.By{System: "test"}
	ends := map[string]struct {
		end     func(ctx context.Context, r resting) error
		code    string
		byToken string // where it is another; "-" if the token lives on
	}{
		"user suspended": {func(ctx context.Context, r resting) error {
			_, err := r.Store.SuspendUser(ctx, by, r.user.ID)
			return err
		}, "subject_inactive", ""},
		"user removed": {func(ctx context.Context, r resting) error {
			return r.Store.RemoveUser(ctx, by, r.user.ID, models.AnyVersion)
		}, "subject_inactive", ""},
		"user expired": {func(ctx context.Context, r resting) error {
			_, err := r.Store.UpdateUser(ctx, by, r.user.ID, models.AnyVersion, func(u *models.User) { u.ExpiresAt = r.Clock.Now().Unix() })
			return err
		}, "subject_expired", ""},
		"consent revoked": {func(ctx context.Context, r resting) error {
			return r.Store.RevokeConsent(ctx, by, r.given.Consents[r.service.ID], "")
		}, "scope_not_consented", ""},
		"grant revoked": {func(ctx context.Context, r resting) error { return r.Store.RevokeGrant(ctx, by, r.given.Grant.ID) }, "", "grant_ended"},
	}
	agents := map[string]string{
		"suspended": "actor_inactive", "expired": "actor_expired", "decommissioned": "actor_inactive",
		"owner suspended": "actor_owner_inactive", "owner expired": "actor_owner_inactive", "owner removed": "actor_owner_inactive",
	}
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, dialect, harness.Options{})
			ctx := context.Background()
			begin := func() (resting, doc, doc) {
				r := resting{desk: d}
				r.user, r.agent = d.acting()
				r.given = d.consents(r.user, r.agent)
				a := d.Form("/oauth2/token", r.agent, harness.CodeForm(r.given.Code))
				require.Equal(t, http.StatusOK, a.Status, a.Body)
				named := d.about("user", r.user.ID, r.agent.ID)
				byToken := more(d.about("user", r.user.ID), doc{"context": doc{"token": a.String("access_token")}})
				d.permits(d.operator, named)
				d.permits(d.operator, byToken)
				return r, named, byToken
			}
			for name, how := range ends {
				r, named, byToken := begin()
				require.NoError(t, how.end(ctx, r), name)
				if how.code == "" {
					d.permits(d.operator, named)
				} else {
					_, a := d.asks(d.operator, named)
					require.Contains(t, codesIn(a.JSON), how.code, "%s: %s", name, a.Body)
				}
				want := how.byToken
				if want == "" {
					want = how.code
				}
				_, a := d.asks(d.operator, byToken)
				require.Contains(t, codesIn(a.JSON), want, "%s, with the token: %s", name, a.Body)
				require.Equal(t, false, a.JSON["decision"])
			}
			for name, fall := range falls {
				r, named, byToken := begin()
				alone := d.about("agent", r.agent.ID)
				d.permits(d.operator, alone)
				require.NoError(t, fall(ctx, d.Server, by, r.agent), name)
				for question, code := range map[*doc]string{&named: agents[name], &byToken: agents[name], &alone: strings.Replace(agents[name], "actor", "subject", 1)} {
					yes, a := d.asks(d.operator, *question)
					require.False(t, yes, "%s: %s", name, a.Body)
					require.Contains(t, codesIn(a.JSON), code, "%s: %s", name, a.Body)
				}
			}
			d.restored(ctx)
			d.narrowed(ctx)
		})
	}
}

// restored: what is undone counts again; and the service itself falls.
func (d *desk) restored(ctx context.Context) {
	by, t := models.By{System: "test"}, d.TB
	d.consents(d.user, d.agent)
	named := d.about("user", d.user.ID, d.agent.ID)
	d.permits(d.operator, named)
	_, err := d.Store.SuspendClient(ctx, by, d.agent.ID)
	require.NoError(t, err)
	d.refuses(d.operator, named, "actor_inactive")
	_, err = d.Store.RestoreClient(ctx, by, d.agent.ID)
	require.NoError(t, err)
	d.permits(d.operator, named)

	_, err = d.Store.UpdateResourceServer(ctx, by, d.service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = models.StatusSuspended })
	require.NoError(t, err)
	d.refuses(d.operator, named, "resource_inactive")
	_, err = d.Store.UpdateResourceServer(ctx, by, d.service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = models.StatusActive })
	require.NoError(t, err)
	d.permits(d.operator, named)

	_, err = d.Store.SuspendClient(ctx, by, d.operator.ID)
	require.NoError(t, err)
	a := d.post("/access/v1/evaluation", d.operator, named, nil)
	require.Equal(t, http.StatusForbidden, a.Status, "who is suspended may not ask: %s", a.Body)
	require.Equal(t, "unauthorized_client", a.String("error"))
	_, err = d.Store.RestoreClient(ctx, by, d.operator.ID)
	require.NoError(t, err)
	d.permits(d.operator, named)
}

// narrowed: a scope that is risky, not held, not defined, or whose term is over.
func (d *desk) narrowed(ctx context.Context) {
	by := models.By{System: "test"}
	named := d.about("user", d.user.ID, d.agent.ID)
	d.refuses(d.operator, more(named, doc{"action": doc{"name": "desk:write"}}), "scope_not_consented")
	d.refuses(d.operator, more(named, doc{"action": doc{"name": "desk:burn"}}), "scope_unknown")
	d.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.PutScope(ctx, by, &models.Scope{ResourceID: d.service.ID, Name: "desk:read", Risk: models.RiskHigh})
		return err
	})
	a := d.refuses(d.operator, named, "approval_required")
	require.Contains(d.TB, a.Body, "which a person approves each time")
	d.refuses(d.operator, d.about("user", d.user.ID), "approval_required")
	d.permits(d.operator, d.about("agent", d.agent.ID))
	d.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.PutScope(ctx, by, &models.Scope{ResourceID: d.service.ID, Name: "desk:read", Risk: models.RiskLow})
		return err
	})
	d.permits(d.operator, named)
	d.permits(d.operator, d.about("user", d.user.ID))
	preapproved, pair := d.acting()
	d.refuses(d.operator, d.about("user", preapproved.ID, pair.ID), "scope_not_consented")
	require.NoError(d.TB, d.Store.Preapprove(ctx, by, &models.Consent{
		ClientID: pair.ID, SubjectID: preapproved.ID, ResourceID: d.service.ID, Scopes: []string{"desk:read"}, ExpiresAt: d.Clock.Now().Unix() + 1000,
	}))
	d.permits(d.operator, d.about("user", preapproved.ID, pair.ID))
	d.Clock.Advance(1001 * time.Second)
	d.refuses(d.operator, d.about("user", preapproved.ID, pair.ID), "scope_not_consented")
}

// Every decision is in the ledger, with what was asked and why, and can be explained.
// House policy narrows it, knowing what the floor would permit, and where.
func TestDecisionsAreRecorded(t *testing.T) {
	d := newDesk(t, "sqlite", harness.Options{House: fstest.MapFS{
		"issue.rego":  {Data: []byte("package house.issue\n\n_nothing := true\n")},
		"access.rego": {Data: []byte("package house.access\n\ndeny contains \"office_closed\" if {\n\tinput.resource.name == \"desk\"\n\t\"desk:write\" in input.granted\n}\n")},
	}})
	d.permits(d.operator, d.about("agent", d.agent.ID))
	a := d.refuses(d.operator, more(d.about("agent", d.agent.ID), doc{"action": doc{"name": "desk:write"}}), "office_closed")
	require.Contains(t, a.Body, `"party":"house_policy"`)
	d.consents(d.user, d.agent)
	for _, want := range []string{models.OutcomeGranted, models.OutcomeRefused} {
		question := d.about("user", d.user.ID, d.agent.ID)
		if want == models.OutcomeRefused {
			question["action"] = doc{"name": "desk:write"}
		}
		_, a := d.asks(d.operator, question)
		id := a.JSON["context"].(doc)["evaluation_id"].(string)
		e := d.LastEntry()
		require.Equal(t, []string{id, policies.Evaluate, want, d.operator.ID, d.user.ID, d.service.ID},
			[]string{e.ID, e.Action, e.Outcome, e.ClientID, e.SubjectID, e.ResourceID})
		x, err := d.Endpoint.ExplainEntry(context.Background(), id)
		require.NoError(t, err)
		require.Equal(t, want == models.OutcomeGranted, x.Granted)
		require.Equal(t, &policies.Asked{Type: "user", Subject: d.user.ID, Chain: []string{d.agent.ID}, ResourceType: "resource_server"}, x.Input.Request.Asked)
		again, err := d.Engine.Decide(context.Background(), x.Input)
		require.NoError(t, err)
		require.Equal(t, x.Decision.Reasons, again.Reasons, "what was recorded is the whole question")
		if want == models.OutcomeRefused {
			require.Equal(t, "scope_not_consented", x.Missing[0].Reason)
			require.NotEmpty(t, x.Missing[0].Who)
		}
	}
}
