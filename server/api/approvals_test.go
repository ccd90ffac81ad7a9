package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
)

func TestApprovalsAreSeenAndCancelled(t *testing.T) { both(t, testApprovals) }

func testApprovals(t *testing.T, c *client) {
	joe, eve := modelstest.User(t, c.store, "joe"), modelstest.User(t, c.store, "eve")
	agent, _ := modelstest.Agent(t, c.store, "agent", eve.ID)
	asked, over := modelstest.Ask(t, c.store, agent.ID, joe.ID), modelstest.Ask(t, c.store, agent.ID, eve.ID)
	require.NoError(t, c.store.DenyApproval(t.Context(), modelstest.By(), over.ID, true))
	device := modelstest.Ask(t, c.store, agent.ID, "")

	one := c.do(http.MethodGet, "/approvals/"+asked.ID, nil).is(http.StatusOK)
	subset(t, object{
		"kind": "ciba", "client_id": agent.ID, "subject_id": joe.ID, "state": "pending", "delivery": "poll", "reported": false,
		"compare_code": asked.CompareCode, "digest": asked.Digest,
		"request": object{"scopes": []any{"work:do"}, "resources": []any{}, "acr_values": []any{}, "message": "Invoice 17"},
	}, one)
	subset(t, object{"state": "denied", "reported": true}, c.do(http.MethodGet, "/approvals/"+over.ID, nil).is(http.StatusOK))
	for filter, want := range map[string][]string{
		"":                                    {asked.ID, over.ID, device.ID},
		"?client_id=" + joe.ID:                {},
		"?subject_id=" + joe.ID:               {asked.ID},
		"?state=denied&client_id=" + agent.ID: {over.ID},
		"?state=pending":                      {asked.ID, device.ID},
		"?state=expired":                      {},
	} {
		require.ElementsMatch(t, want, c.do(http.MethodGet, "/approvals"+filter, nil).ids("id"), filter)
	}
	c.do(http.MethodGet, "/approvals?state=lost", nil).problem(http.StatusBadRequest, "invalid_request", "state")
	c.do(http.MethodGet, "/approvals/apr_none", nil).problem(http.StatusNotFound, "not_found", "")

	for range 2 {
		require.Equal(t, "cancelled", c.do(http.MethodPost, "/approvals/"+asked.ID+"/cancel", nil).is(http.StatusOK)["state"])
	}
	c.do(http.MethodPost, "/approvals/"+over.ID+"/cancel", nil).problem(http.StatusUnprocessableEntity, "invalid_value", "state")
	c.do(http.MethodPost, "/approvals/apr_none/cancel", nil).problem(http.StatusNotFound, "not_found", "")
	row, err := c.store.Approval(t.Context(), over.ID)
	require.NoError(t, err)
	require.Equal(t, models.ApprovalDenied, row.State)
}

// Whoever knows the code that a device shows may answer for it: no answer of this API
// holds it, and neither does the ledger, before or after somebody cancelled it.
func TestADevicesCodeIsNeverShown(t *testing.T) { both(t, testDevicesCode) }

func testDevicesCode(t *testing.T, c *client) {
	agent := modelstest.Application(t, c.store, "tv")
	device := modelstest.Ask(t, c.store, agent.ID, "")
	require.Len(t, device.CompareCode, 9)
	at := "/approvals/" + device.ID
	for _, body := range []string{
		c.do(http.MethodGet, at, nil).Body, c.do(http.MethodGet, "/approvals", nil).Body, c.do(http.MethodGet, "/audit/entries", nil).Body,
		c.do(http.MethodPost, at+"/cancel", nil).Body, c.do(http.MethodGet, at, nil).Body, c.do(http.MethodGet, "/audit/entries", nil).Body,
	} {
		require.True(t, strings.Contains(body, device.ID))
		require.False(t, strings.Contains(body, device.CompareCode))
		require.False(t, strings.Contains(body, strings.ReplaceAll(device.CompareCode, "-", "")))
	}
}

// Administrators see what is asked and can end it. There is no operation by which one
// of them would answer in a person's place.
func TestNobodyAnswersForAnother(t *testing.T) {
	c := newClient(t)
	found := map[string]bool{}
	for path, item := range c.doc.Paths.Map() {
		if strings.Contains(path, "approval") {
			for method, op := range item.Operations() {
				found[method+" "+path] = true
				require.Nil(t, op.RequestBody, "an answer would need one")
			}
		}
	}
	require.Equal(t, map[string]bool{"GET /approvals": true, "GET /approvals/{id}": true, "GET /approvals/{id}/blast-radius": true, "POST /approvals/{id}/cancel": true}, found)

	joe := modelstest.User(t, c.store, "joe")
	asked := modelstest.Ask(t, c.store, modelstest.Application(t, c.store, "helper").ID, joe.ID)
	for _, verb := range []string{"/approve", "/allow", "/answer", "/deny"} {
		c.do(http.MethodPost, "/approvals/"+asked.ID+verb, object{}).problem(http.StatusNotFound, "not_found", "")
	}
	for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodPost} {
		require.Equal(t, http.StatusMethodNotAllowed, c.do(method, "/approvals/"+asked.ID, object{"state": "approved"}).Status)
	}
	row, err := c.store.Approval(t.Context(), asked.ID)
	require.NoError(t, err)
	require.Equal(t, models.ApprovalPending, row.State)
}

func TestWhomAClientMayAsk(t *testing.T) { both(t, testAcquaintances) }

func testAcquaintances(t *testing.T, c *client) {
	agent, joe := modelstest.Application(t, c.store, "helper"), modelstest.User(t, c.store, "joe")
	group := modelstest.Group(t, c.store, "sales")
	at := "/clients/" + agent.ID + "/acquaintances"
	for range 2 {
		for _, id := range []string{joe.ID, group.ID} {
			c.do(http.MethodPut, at+"/"+id, nil).is(http.StatusNoContent)
		}
	}
	require.Equal(t, []string{group.ID, joe.ID}, c.do(http.MethodGet, at, nil).ids("principal_id"))
	c.do(http.MethodPut, at+"/usr_none", nil).problem(http.StatusUnprocessableEntity, "invalid_value", "principal_id")
	c.do(http.MethodPut, at+"/"+agent.ID, nil).problem(http.StatusUnprocessableEntity, "invalid_value", "principal_id")
	c.do(http.MethodPut, "/clients/agt_none/acquaintances/"+joe.ID, nil).problem(http.StatusNotFound, "not_found", "")
	c.do(http.MethodGet, "/clients/agt_none/acquaintances", nil).problem(http.StatusNotFound, "not_found", "")
	c.do(http.MethodDelete, at+"/"+group.ID, nil).is(http.StatusNoContent)
	c.do(http.MethodDelete, at+"/"+group.ID, nil).problem(http.StatusNotFound, "not_found", "")
	require.Equal(t, []string{joe.ID}, c.do(http.MethodGet, at, nil).ids("principal_id"))
	entries, _, err := c.store.Entries(t.Context(), models.EntryFilter{Action: "acquaint"}, -1, 10)
	require.NoError(t, err)
	require.Len(t, entries, 2, "each is recorded, and asking again changes nothing")
}

const (
	cibaType   = "urn:openid:params:grant-type:ciba"
	deviceType = "urn:ietf:params:oauth:grant-type:device_code"
)

func TestHowAClientIsTold(t *testing.T) { both(t, testDelivery) }

func testDelivery(t *testing.T, c *client) {
	plain := c.do(http.MethodPost, "/clients", object{"kind": "application", "name": "plain"}).is(http.StatusCreated)
	require.Equal(t, "poll", plain["backchannel_token_delivery_mode"])
	told := object{"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": "https://client.example/told"}
	types := []any{cibaType, deviceType}
	made := c.do(http.MethodPost, "/clients", object{"kind": "application", "name": "told", "grant_types": types,
		"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": "https://client.example/told"})
	subset(t, told, made.is(http.StatusCreated))
	at := "/clients/" + made.JSON["id"].(string)

	patched := c.do(http.MethodPatch, at, object{"purpose": "Pays"}).is(http.StatusOK)
	subset(t, told, patched)
	require.Equal(t, types, patched["grant_types"], "a patch keeps what it does not name")
	subset(t, object{"backchannel_token_delivery_mode": "push", "backchannel_client_notification_endpoint": "https://client.example/told"},
		c.do(http.MethodPatch, at, object{"backchannel_token_delivery_mode": "push"}).is(http.StatusOK))
	back := c.do(http.MethodPatch, at, object{"backchannel_token_delivery_mode": "poll", "backchannel_client_notification_endpoint": ""}).is(http.StatusOK)
	require.Equal(t, "poll", back["backchannel_token_delivery_mode"])
	require.NotContains(t, back, "backchannel_client_notification_endpoint")

	for body, field := range map[string]string{
		`{"backchannel_token_delivery_mode": "carrier"}`:                                                             "backchannel_token_delivery_mode",
		`{"backchannel_token_delivery_mode": "push"}`:                                                                "backchannel_client_notification_endpoint",
		`{"backchannel_client_notification_endpoint": "https://client.example"}`:                                     "backchannel_client_notification_endpoint",
		`{"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": "http://insecure"}`: "backchannel_client_notification_endpoint",
		`{"token_endpoint_auth_method": "none", "grant_types": ["` + cibaType + `"]}`:                                "grant_types",
	} {
		c.do(http.MethodPatch, at, body).problem(http.StatusUnprocessableEntity, "invalid_value", field)
	}
}

func TestConsentsNameTheirApproval(t *testing.T) { both(t, testBoundConsent) }

func testBoundConsent(t *testing.T, c *client) {
	w := modelstest.NewWorld(t, c.store, "w")
	joe := modelstest.User(t, c.store, "joe")
	asked := modelstest.Ask(t, c.store, w.Agent.ID, joe.ID)
	detail := json.RawMessage(`{"type":"pay","amount":"250.00"}`)
	allowed := models.Allowed{Subject: joe.ID, Until: c.store.Now() + 100, Code: models.Code{Details: map[string][]policies.Detail{w.Service.ID: {detail}}, Scopes: map[string][]string{w.Service.ID: {"read"}}, AMR: []string{"pwd"}}}
	require.NoError(t, c.store.AllowApproval(t.Context(), modelstest.By(), asked.ID, allowed))
	items := c.do(http.MethodGet, "/consents?subject_id="+joe.ID, nil).is(http.StatusOK)["items"].([]any)
	require.Len(t, items, 1)
	subset(t, object{
		"approval_id": asked.ID, "scopes": []any{"read"}, "authorization_details": []any{object{"type": "pay", "amount": "250.00"}},
	}, items[0].(map[string]any))
	precise := &models.Approval{Kind: models.ApprovalCIBA, ClientID: w.Agent.ID, SubjectID: joe.ID, Delivery: models.DeliveryPoll, ExpiresAt: c.store.Now() + 60,
		Request: models.ApprovalRequest{Details: []policies.Detail{detail}}}
	_, err := c.store.Ask(t.Context(), modelstest.By(), precise, models.Telling{})
	require.NoError(t, err)
	subset(t, object{"authorization_details": []any{object{"type": "pay", "amount": "250.00"}}},
		c.do(http.MethodGet, "/approvals/"+precise.ID, nil).is(http.StatusOK)["request"].(map[string]any))
	one := c.do(http.MethodGet, "/approvals/"+asked.ID, nil).is(http.StatusOK)
	require.Equal(t, "approved", one["state"])
	require.Regexp(t, "^gnt_", one["grant_id"])
}
