package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// payment is a type of authorization details as it is sent.
func payment() object {
	return object{
		"scope": "pay", "risk": "high", "template": object{"en": "Pay {amount}"}, "narrow": object{"amount": "at_most"},
		"schema": object{
			"type": "object", "additionalProperties": false, "required": []any{"amount"},
			"properties": object{"amount": object{"type": "string", "title": "Amount"}},
		},
	}
}

func TestDetailTypes(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		c := newClientOn(t, s, nil)
		bank := modelstest.Service(t, s, "bank", "pay")
		at := "/resource-servers/" + bank.ID + "/detail-types"
		want := payment()
		want["resource_server_id"], want["type"] = bank.ID, "payment"

		require.Equal(t, map[string]any(want), c.do(http.MethodPut, at+"/payment", payment()).is(http.StatusCreated))
		require.Equal(t, map[string]any(want), c.do(http.MethodPut, at+"/payment", payment()).is(http.StatusOK))
		require.Equal(t, map[string]any(want), c.do(http.MethodGet, at+"/payment", nil).is(http.StatusOK))
		require.Equal(t, []any{map[string]any(want)}, c.do(http.MethodGet, at, nil).is(http.StatusOK)["items"])

		open := payment()
		open["schema"] = object{"type": "object", "properties": object{"amount": object{"type": "string"}}}
		c.do(http.MethodPut, at+"/open", open).problem(http.StatusUnprocessableEntity, "invalid_value", "schema")
		c.do(http.MethodPut, "/resource-servers/"+models.SelfID+"/detail-types/payment", payment()).problem(http.StatusUnprocessableEntity, "invalid_value", "resource_server_id")

		c.do(http.MethodDelete, at+"/payment", nil).is(http.StatusNoContent)
		c.do(http.MethodGet, at+"/payment", nil).is(http.StatusNotFound)
		c.do(http.MethodDelete, at+"/payment", nil).is(http.StatusNotFound)
	})
}
