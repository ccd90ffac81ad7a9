package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestEffectiveScopesSayWhereTheyComeFrom(t *testing.T) { both(t, testEffectiveScopes) }

func testEffectiveScopes(t *testing.T, c *client) {
	w := modelstest.NewWorld(t, c.store, "w") // read and write by w-role, directly
	other := modelstest.Service(t, c.store, "other", "x:1")
	shared := modelstest.Role(t, c.store, "shared", w.Service.ID, "read")
	far := modelstest.Role(t, c.store, "far", other.ID, "x:1")
	inner := modelstest.Group(t, c.store, "inner", w.Agent.ID)
	outer := modelstest.Group(t, c.store, "outer", inner.ID)
	outermost := modelstest.Group(t, c.store, "outermost", outer.ID)
	modelstest.Assign(t, c.store, shared.ID, outer.ID)
	modelstest.Assign(t, c.store, shared.ID, inner.ID)
	modelstest.Assign(t, c.store, shared.ID, w.Agent.ID)
	modelstest.Assign(t, c.store, far.ID, outermost.ID)
	modelstest.Assign(t, c.store, far.ID, w.Owner.ID) // somebody else's business

	at := "/clients/" + w.Agent.ID + "/effective-scopes"
	direct := object{"role_id": w.Role.ID, "role": "w-role", "direct": true, "via": []any{}}
	all := object{"role_id": shared.ID, "role": "shared", "direct": true, "via": []any{inner.ID, outer.ID}}
	require.Equal(t, []any{
		object{"resource_server_id": w.Service.ID, "resource_server": w.Service.Identifier, "scope": "read", "risk": "low", "roles": []any{direct, all}},
		object{"resource_server_id": w.Service.ID, "resource_server": w.Service.Identifier, "scope": "write", "risk": "low", "roles": []any{direct}},
		object{"resource_server_id": other.ID, "resource_server": other.Identifier, "scope": "x:1", "risk": "low", "roles": []any{
			object{"role_id": far.ID, "role": "far", "direct": false, "via": []any{outermost.ID}},
		}},
	}, c.do(http.MethodGet, at, nil).is(http.StatusOK)["items"])
	c.agreesWithPolicy(w.Agent.ID)

	c.do(http.MethodDelete, "/groups/"+outer.ID+"/members/"+inner.ID, nil).is(http.StatusNoContent)
	c.do(http.MethodPatch, "/roles/"+w.Role.ID, object{"scopes": []any{}}).is(http.StatusOK)
	require.Equal(t, []string{"read"}, c.do(http.MethodGet, at, nil).ids("scope"))
	c.agreesWithPolicy(w.Agent.ID)

	bare := modelstest.Application(t, c.store, "bare").ID
	require.Empty(t, c.do(http.MethodGet, "/clients/"+bare+"/effective-scopes", nil).ids("scope"))
	c.do(http.MethodGet, "/clients/"+w.Owner.ID+"/effective-scopes", nil).problem(http.StatusNotFound, "not_found", "")
}

// agreesWithPolicy compares what the API shows with the fact policy sees.
func (c *client) agreesWithPolicy(id string) {
	c.t.Helper()
	view, err := c.store.View(c.t.Context())
	require.NoError(c.t, err)
	fact, err := view.Principal(c.t.Context(), id)
	require.NoError(c.t, err)
	shown := map[string]map[string][]string{}
	for _, item := range c.do(http.MethodGet, "/clients/"+id+"/effective-scopes?limit=200", nil).is(http.StatusOK)["items"].([]any) {
		row := item.(map[string]any)
		resource, scope := row["resource_server_id"].(string), row["scope"].(string)
		if shown[resource] == nil {
			shown[resource] = map[string][]string{}
		}
		for _, role := range row["roles"].([]any) {
			shown[resource][scope] = append(shown[resource][scope], role.(map[string]any)["role_id"].(string))
		}
	}
	require.Equal(c.t, fact.Value.Scopes, shown)
}

func TestAnEntryBringsItsEvidence(t *testing.T) {
	g := newGuarded(t)
	g.bearer = g.token("users:read", "audit:read")
	refused := g.do(http.MethodPost, "/users", object{"username": "x"})
	refused.problem(http.StatusForbidden, "insufficient_scope", "")
	id := refused.JSON["decision_id"].(string)
	body := g.do(http.MethodGet, "/audit/entries/"+id, nil).is(http.StatusOK)

	entry := body["entry"].(map[string]any)
	subset(t, object{"id": id, "kind": "decision", "outcome": "refused", "action": "admin:createUser", "client_id": g.admin.ID}, entry)
	at, err := time.Parse(time.RFC3339Nano, entry["at"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)

	facts := body["facts"].(map[string]any)
	input := entry["detail"].(map[string]any)["input"].(map[string]any)
	require.Contains(t, facts, input["client"])
	for digest, text := range facts {
		sum := sha256.Sum256([]byte(text.(string)))
		require.Equal(t, digest, hex.EncodeToString(sum[:]))
	}

	proof := body["proof"].(map[string]any)
	root, size := treeIn(t, proof["tree"])
	var hashes tlog.RecordProof
	for _, h := range proof["hashes"].([]any) {
		hash, err := tlog.ParseHash(h.(string))
		require.NoError(t, err)
		hashes = append(hashes, hash)
	}
	leaf := tlog.RecordHash([]byte(proof["leaf"].(string)))
	require.NoError(t, tlog.CheckRecord(hashes, size, root, int64(entry["seq"].(float64)), leaf))
	require.Error(t, tlog.CheckRecord(hashes, size, root, int64(entry["seq"].(float64)), tlog.RecordHash([]byte("{}"))))

	change, _, err := g.store.Entries(t.Context(), models.EntryFilter{Kind: models.KindChange}, -1, 1)
	require.NoError(t, err)
	require.Empty(t, g.do(http.MethodGet, "/audit/entries/"+change[0].ID, nil).is(http.StatusOK)["facts"], "a change names no facts")
}

func treeIn(t *testing.T, v any) (tlog.Hash, int64) {
	t.Helper()
	tree := v.(map[string]any)
	root, err := tlog.ParseHash(tree["root"].(string))
	require.NoError(t, err)
	return root, int64(tree["size"].(float64))
}

func TestTheHeadOfTheLedger(t *testing.T) {
	c := newClient(t)
	before := c.do(http.MethodGet, "/audit/head", nil).is(http.StatusOK)
	require.NotContains(t, before, "signed")
	require.NoError(t, c.store.SignHead(t.Context(), c.keys.LedgerSigner()))
	after := c.do(http.MethodGet, "/audit/head", nil).is(http.StatusOK)
	root, size := treeIn(t, after["tree"])
	signed := after["signed"].(map[string]any)
	require.EqualValues(t, size, signed["size"])

	var verifier string
	for _, k := range c.do(http.MethodGet, "/keys", nil).JSON["items"].([]any) {
		if k := k.(map[string]any); k["purpose"] == "ledger" {
			verifier = k["verifier"].(string)
			require.NotContains(t, k, "public_jwk")
		}
	}
	v, err := note.NewVerifier(verifier)
	require.NoError(t, err)
	opened, err := note.Open([]byte(signed["note"].(string)), note.VerifierList(v))
	require.NoError(t, err)
	require.Equal(t, string(tlog.FormatTree(tlog.Tree{N: size, Hash: root})), opened.Text)
}

func TestKeysRotate(t *testing.T) {
	c := newClient(t)
	tokenKeys := func() (out []object) {
		a := c.do(http.MethodGet, "/keys", nil)
		require.NotContains(t, a.Body, "sealed")
		require.NotContains(t, a.Body, `"d":`)
		for _, k := range a.is(http.StatusOK)["items"].([]any) {
			if k := k.(map[string]any); k["purpose"] == "tokens" {
				require.Equal(t, "EC", k["public_jwk"].(map[string]any)["kty"])
				out = append(out, k)
			}
		}
		return out
	}
	require.Len(t, tokenKeys(), 1)
	for i, one := range []struct {
		body any
		lead time.Duration
	}{{nil, 300 * time.Second}, {object{}, 300 * time.Second}, {object{"lead": 600}, 600 * time.Second}} {
		made := c.do(http.MethodPost, "/keys/rotate", one.body)
		key := made.is(http.StatusCreated)
		require.Equal(t, Prefix+"/keys", made.Header.Get("Location"))
		require.NotContains(t, key, "retires_at")
		active, err := time.Parse(time.RFC3339, key["active_at"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(one.lead), active, 10*time.Second)
		keys := tokenKeys()
		require.Len(t, keys, i+2)
		require.Equal(t, key["active_at"], keys[i]["retires_at"])
		require.Contains(t, string(c.keys.JWKS()), key["id"], "published at once")
	}
	for _, lead := range []any{-1, 604801, 1.5, "1"} {
		require.Contains(t, []int{400, 422}, c.do(http.MethodPost, "/keys/rotate", object{"lead": lead}).Status)
	}
	entries, _, err := c.store.Entries(t.Context(), models.EntryFilter{Action: "rotateKey", ClientID: "app_admin"}, -1, 50)
	require.NoError(t, err)
	require.Len(t, entries, 6, "three new keys, three that retire")

	ledger := c.do(http.MethodPost, "/keys/rotate", object{"purpose": "ledger"}).is(http.StatusCreated)
	require.Equal(t, "ledger", ledger["purpose"])
	require.Equal(t, c.keys.LedgerSigner().KeyHash(), verifierOf(t, ledger).KeyHash(), "it signs at once")
	require.Contains(t, []int{400, 422}, c.do(http.MethodPost, "/keys/rotate", object{"purpose": "mail"}).Status)
}

func TestWhichPolicyServes(t *testing.T) {
	c := newClient(t)
	c.policy = PolicyStatus{Floor: "f1", House: "h1", LoadedAt: time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))}
	want := object{"floor": "f1", "house": "h1", "loaded_at": "2030-01-02T02:04:05Z"}
	require.Equal(t, want, c.do(http.MethodGet, "/policy", nil).is(http.StatusOK))
	c.policy.LastError = "house.rego:3: unsafe"
	want["last_error"] = "house.rego:3: unsafe"
	require.Equal(t, want, c.do(http.MethodGet, "/policy", nil).is(http.StatusOK))
}

func TestGrantsAndTokensEnd(t *testing.T) {
	c := newClient(t)
	w := modelstest.NewWorld(t, c.store, "w")
	first := modelstest.Issue(t, c.store, w.Token(c.store))
	second := modelstest.Issue(t, c.store, modelstest.Exchange(first, w.Agent.ID))
	body := c.do(http.MethodGet, "/tokens/"+second.ID, nil).is(http.StatusOK)
	subset(t, object{
		"id": second.ID, "parent_id": first.ID, "txn": first.ID, "grant_id": w.Agent.SelfGrantID, "client_id": w.Agent.ID,
		"subject_id": w.Agent.ID, "resource_server_id": w.Service.ID, "scopes": []any{"read"}, "chain": []any{w.Agent.ID}, "decision_id": second.DecisionID,
	}, body)
	require.NotContains(t, body, "revoked_at")
	require.NotContains(t, c.do(http.MethodGet, "/tokens/"+first.ID, nil).is(http.StatusOK), "parent_id")

	c.do(http.MethodPost, "/tokens/"+first.ID+"/revoke", nil).is(http.StatusNoContent)
	c.do(http.MethodPost, "/tokens/"+first.ID+"/revoke", nil).is(http.StatusNoContent)
	for _, id := range []string{first.ID, second.ID} {
		require.Contains(t, c.do(http.MethodGet, "/tokens/"+id, nil).is(http.StatusOK), "revoked_at")
	}
	third := modelstest.Issue(t, c.store, w.Token(c.store))
	at := "/grants/" + w.Agent.SelfGrantID
	grant := c.do(http.MethodGet, at, nil).is(http.StatusOK)
	subset(t, object{"kind": "client_credentials", "client_id": w.Agent.ID, "subject_id": w.Agent.ID}, grant)
	require.NotContains(t, grant, "expires_at")
	c.do(http.MethodPost, at+"/revoke", nil).is(http.StatusNoContent)
	require.Contains(t, c.do(http.MethodGet, at, nil).is(http.StatusOK), "revoked_at")
	require.Contains(t, c.do(http.MethodGet, "/tokens/"+third.ID, nil).is(http.StatusOK), "revoked_at")
	for _, path := range []string{"/grants/gnt_none/revoke", "/tokens/tok_none/revoke"} {
		c.do(http.MethodPost, path, nil).problem(http.StatusNotFound, "not_found", "")
	}
}

func verifierOf(t *testing.T, key object) note.Verifier {
	t.Helper()
	v, err := note.NewVerifier(key["verifier"].(string))
	require.NoError(t, err)
	return v
}
