package tests

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// explaining is all that explaining takes.
const explaining = "policy:explain clients:read resources:read tokens:read users:read audit:read"

// explanation is what the API answers, as far as tests look at it.
type explanation struct {
	Granted  bool `json:"would_be_granted"`
	Decision struct {
		Scopes   []string
		Audience string
		TTL      int64
		Subject  string `json:"subject_id"`
		Chain    []string
		Removed  map[string][]string

		Refreshable bool
		Ask         string
		Until       string
		Offers      []struct {
			Scope, State string
			Resource     string `json:"resource_server_id"`
			Missing      []lack
		}
	}
	Missing     []lack
	Error       string
	Description string `json:"error_description"`
	Names       map[string]string
	Credentials []struct{ ID string }
	Assumed     struct {
		Credential string `json:"credential_id"`
		Method     string `json:"client_auth_method"`
	}
	Policy   struct{ Floor, House string }
	Epoch    int64
	Recorded struct {
		Decision string `json:"decision_id"`
	}
}

type lack struct {
	Party   string
	ID      string `json:"party_id"`
	Name    string `json:"party_name"`
	Lacks   string
	Scope   string
	Value   string
	Reason  string
	Layer   string
	Rule    string
	About   string `json:"rule_description"`
	Message string
	Remedy  string
	Who     []struct{ Kind, Right, ID, Name string }
	Follows bool
}

// explainer is an administrator who may explain.
func explainer(s *harness.Server) *harness.Client {
	s.TB.Helper()
	c := s.Application("explainer-" + strings.ToLower(models.NewID("x")[2:]))
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: c.ID})
	})
	return c
}

// explain asks what a request would be answered.
func explain(s *harness.Server, as *harness.Client, body object) explanation {
	s.TB.Helper()
	return explained(s, api(s, s.Own(as, s.URL+"/api/v1", explaining), http.MethodPost, "/explain", body))
}

// explainDecision asks why a recorded request was answered as it was.
func explainDecision(s *harness.Server, as *harness.Client, id string) explanation {
	s.TB.Helper()
	return explained(s, api(s, s.Own(as, s.URL+"/api/v1", explaining), http.MethodGet, "/audit/entries/"+id+"/explanation", nil))
}

// explained holds every explanation to what all of them must be.
func explained(s *harness.Server, a harness.Answer) (x explanation) {
	s.TB.Helper()
	require.Equal(s.TB, http.StatusOK, a.Status, a.Body)
	require.NoError(s.TB, json.Unmarshal([]byte(a.Body), &x))
	require.Equal(s.TB, x.Granted, len(x.Missing) == 0, a.Body)
	require.Equal(s.TB, x.Granted, x.Error == "", a.Body)
	for _, l := range x.Missing {
		for what, value := range map[string]string{"party": l.Party, "lacks": l.Lacks, "reason": l.Reason, "message": l.Message, "remedy": l.Remedy, "layer": l.Layer} {
			require.NotEmpty(s.TB, value, "%s of %+v", what, l)
		}
		require.NotEmpty(s.TB, l.Who, "%+v", l)
		if l.Layer != "server" {
			require.Regexp(s.TB, `^`+l.Layer+`/[a-z_./]+:[0-9]+$`, l.Rule)
		}
	}
	if len(x.Missing) > 0 {
		require.False(s.TB, x.Missing[0].Follows && len(x.Missing) == 1, "something must be the cause")
	}
	return x
}

// of is the body that asks about a form.
func of(client string, form url.Values) object {
	body := object{"client_id": client, "grant_type": form.Get("grant_type")}
	if scopes := strings.Fields(form.Get("scope")); len(scopes) > 0 {
		body["scopes"] = scopes
	}
	if resources := slices.Concat(form["resource"], form["audience"]); len(resources) > 0 {
		body["resources"] = resources
	}
	for _, token := range []string{"subject_token", "actor_token"} {
		if form.Get(token) != "" {
			body[token] = form.Get(token)
		}
	}
	return body
}

// why lists reasons so that they can be compared.
type why struct{ Code, Party, ID, Scope, Value, Rule string }

var parties = map[string]string{"": "deputy", "floor": "deputy", "house": "house_policy", "parent": "parent_token", "resource": "resource_server"}

// recordedWhy are the reasons the ledger has for a decision, parties as explanations call them.
func recordedWhy(tb testing.TB, e models.Entry) []why {
	tb.Helper()
	var d struct {
		Decision struct {
			Reasons []struct{ Code, Party, Scope, Value, Rule string }
		}
	}
	require.NoError(tb, json.Unmarshal([]byte(e.Detail), &d))
	out := []why{}
	for _, r := range d.Decision.Reasons {
		if name, ok := parties[r.Party]; ok {
			r.Party = name
		}
		out = append(out, why{r.Code, r.Party, "", r.Scope, r.Value, r.Rule})
	}
	return out
}

func explainedWhy(x explanation) []why {
	out := []why{}
	for _, l := range x.Missing {
		out = append(out, why{l.Reason, l.Party, "", l.Scope, l.Value, l.Rule})
	}
	return out
}

// mustExplain holds that the refusal's decision id leads to its explanation, and
// that asking beforehand would have told the same.
func (s *scene) mustExplain(a harness.Answer, e models.Entry) {
	s.TB.Helper()
	admin := explainer(s.Server)
	x := explainDecision(s.Server, admin, e.ID)
	require.False(s.TB, x.Granted)
	require.Equal(s.TB, e.ID, x.Recorded.Decision)
	require.Equal(s.TB, a.String("error"), x.Error)
	if e.Kind != models.KindDecision {
		require.Len(s.TB, x.Missing, 1)
		require.Contains(s.TB, e.Detail, `"`+x.Missing[0].Reason+`"`)
		return
	}
	require.Equal(s.TB, a.String("error_description"), x.Description)
	require.ElementsMatch(s.TB, recordedWhy(s.TB, e), explainedWhy(x))

	if s.grant != own && s.grant != exchange {
		return // a code is for its client alone: nobody asks about one beforehand
	}
	body := of(e.ClientID, s.request.form)
	if token, _ := body["subject_token"].(string); len(token) > 16384 {
		return // the description of the API bounds it
	}
	before, seq := s.Tokens(), s.LastEntry().Seq
	y := explain(s.Server, admin, body)
	require.Equal(s.TB, before+1, s.Tokens(), "the explainer's own token, and no other")
	require.Equal(s.TB, seq+2, s.LastEntry().Seq, "that token, and that it was asked")
	require.Equal(s.TB, "admin:explainRequest", s.LastEntry().Action)
	require.Equal(s.TB, x.Missing, y.Missing)
	require.Equal(s.TB, x.Error, y.Error)
	require.Equal(s.TB, x.Description, y.Description)
	require.Equal(s.TB, x.Policy, y.Policy)
}
