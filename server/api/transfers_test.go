package api

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestTransfers(t *testing.T) {
	for _, dialect := range modelstest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			c := newClientOn(t, modelstest.New(t, dialect), nil)
			owner, joe, eve := modelstest.User(t, c.store, "owner"), modelstest.User(t, c.store, "joe"), modelstest.User(t, c.store, "eve")
			agent, _ := modelstest.Agent(t, c.store, "helper", owner.ID)
			at := "/clients/" + agent.ID + "/transfer"
			offer := func(to string) object {
				a := c.do(http.MethodPost, at, object{"to": to})
				body := a.is(http.StatusCreated)
				require.Equal(t, Prefix+"/transfers/"+body["id"].(string), a.Header.Get("Location"))
				return body
			}
			first := offer(joe.ID)
			require.Equal(t, []any{"open", agent.ID, owner.ID, joe.ID, "app_admin"}, []any{first["state"], first["client_id"], first["from_id"], first["to_id"], first["offered_by"]})
			require.Equal(t, owner.ID, c.do(http.MethodGet, "/clients/"+agent.ID, nil).is(http.StatusOK)["owner_id"])
			second := offer(eve.ID)
			_, err := c.store.AcceptTransfer(t.Context(), modelstest.By(), second["id"].(string), eve.ID)
			require.NoError(t, err)
			third := offer(joe.ID)

			for query, want := range map[string][]any{
				"": {first["id"], second["id"], third["id"]}, "?state=open": {third["id"]}, "?state=accepted": {second["id"]}, "?to=" + joe.ID: {first["id"], third["id"]},
				"?state=cancelled&to=" + joe.ID: {first["id"]}, "?client_id=agt_none": {}, "?state=expired": {},
			} {
				got := []any{}
				for _, id := range c.do(http.MethodGet, "/transfers"+query, nil).ids("id") {
					got = append(got, id)
				}
				require.Equal(t, want, got, query)
			}
			one := "/transfers/" + third["id"].(string)
			require.Equal(t, eve.ID, c.do(http.MethodGet, one, nil).is(http.StatusOK)["from_id"])
			for range 2 {
				require.Equal(t, "cancelled", c.do(http.MethodPost, one+"/cancel", nil).is(http.StatusOK)["state"], "twice is no error")
			}
			c.do(http.MethodPost, "/transfers/"+second["id"].(string)+"/cancel", nil).problem(http.StatusUnprocessableEntity, "invalid_value", "state")
			c.do(http.MethodPost, "/transfers/trf_none/cancel", nil).problem(http.StatusNotFound, "not_found", "")
			c.do(http.MethodGet, "/transfers/trf_none", nil).problem(http.StatusNotFound, "not_found", "")
			c.do(http.MethodGet, "/transfers?state=over", nil).problem(http.StatusBadRequest, "invalid_request", "state")
			c.do(http.MethodPost, "/clients/agt_none/transfer", object{"to": joe.ID}).problem(http.StatusNotFound, "not_found", "")
			c.do(http.MethodPost, at, object{"to": "usr_none"}).problem(http.StatusUnprocessableEntity, "invalid_value", "to")
			c.do(http.MethodPost, at, object{"to": eve.ID}).problem(http.StatusUnprocessableEntity, "invalid_value", "to")
			c.do(http.MethodPost, at, object{"to": agent.ID}).problem(http.StatusUnprocessableEntity, "invalid_value", "to")
			c.do(http.MethodPost, at, object{}).problem(http.StatusUnprocessableEntity, "invalid_value", "to")
		})
	}
}

// What an owner offered to nobody is seen here, and says so.
func TestAnOfferToNobodyIsSeenByAdministrators(t *testing.T) {
	c := newClient(t)
	owner := modelstest.User(t, c.store, "owner")
	agent, _ := modelstest.Agent(t, c.store, "helper", owner.ID)
	offer := &models.Transfer{ClientID: agent.ID, Named: "no-such-person"}
	require.NoError(t, c.store.OfferTransfer(t.Context(), models.By{SubjectID: owner.ID}, offer))
	body := c.do(http.MethodGet, "/transfers/"+offer.ID, nil).is(http.StatusOK)
	require.Equal(t, "no-such-person", body["named"])
	require.NotContains(t, body, "to_id")
	require.Equal(t, "cancelled", c.do(http.MethodPost, "/transfers/"+offer.ID+"/cancel", nil).is(http.StatusOK)["state"])
}

func TestAnAgentIsNotLeftWithoutASponsor(t *testing.T) {
	c := newClient(t)
	owner := modelstest.User(t, c.store, "owner")
	for _, body := range []object{{}, {"sponsor": ""}, {"sponsor": "  "}} {
		body["kind"], body["name"], body["owner_id"] = "agent", "x", owner.ID
		c.do(http.MethodPost, "/clients", body).problem(http.StatusUnprocessableEntity, "invalid_value", "sponsor")
	}
	_, err := c.store.Client(t.Context(), "x")
	require.True(t, errors.Is(err, models.ErrNotFound))
	agent := c.create("/clients", object{"kind": "agent", "name": "x", "owner_id": owner.ID, "sponsor": "Finance"})
	for _, patch := range []string{`{"sponsor": ""}`, `{"sponsor": " "}`} {
		c.do(http.MethodPatch, "/clients/"+agent, patch).problem(http.StatusUnprocessableEntity, "invalid_value", "sponsor")
	}
	require.Equal(t, "Research", c.do(http.MethodPatch, "/clients/"+agent, `{"sponsor": "Research"}`).is(http.StatusOK)["sponsor"])
}
