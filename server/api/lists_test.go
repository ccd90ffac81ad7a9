package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// both runs a test on either database.
func both(t *testing.T, test func(*testing.T, *client)) {
	modelstest.Each(t, func(t *testing.T, s *models.Store) { test(t, newClientOn(t, s, nil)) })
}

func TestFilters(t *testing.T) { both(t, testFilters) }

func testFilters(t *testing.T, c *client) {
	w, v := modelstest.NewWorld(t, c.store, "w"), modelstest.NewWorld(t, c.store, "v")
	widget := c.create("/clients", object{"kind": "application", "name": "widget", "labels": object{"team": "a"}})
	other := c.create("/clients", object{"kind": "application", "name": "other", "labels": object{"team": "b"}})
	group := modelstest.Group(t, c.store, "group", widget).ID
	mine := c.create("/resource-servers", object{"identifier": "https://mine.example", "name": "mine", "operator_id": widget})
	c.do(http.MethodPost, "/clients/"+other+"/suspend", nil).is(http.StatusOK)
	c.do(http.MethodPost, "/users/"+v.Owner.ID+"/suspend", nil).is(http.StatusOK)
	c.do(http.MethodPatch, "/resource-servers/"+v.Service.ID, object{"status": "suspended"}).is(http.StatusOK)
	first := modelstest.Issue(t, c.store, w.Token(c.store))
	second := modelstest.Issue(t, c.store, modelstest.Exchange(first, widget))
	foreign := modelstest.Issue(t, c.store, v.Token(c.store))
	c.do(http.MethodPost, "/tokens/"+foreign.ID+"/revoke", nil).is(http.StatusNoContent)

	for filter, want := range map[string][]string{
		"/clients?kind=agent":                                {w.Agent.ID, v.Agent.ID},
		"/clients?status=suspended":                          {other},
		"/clients?owner_id=" + w.Owner.ID:                    {w.Agent.ID},
		"/clients?name=widget":                               {widget},
		"/clients?role_id=" + w.Role.ID:                      {w.Agent.ID},
		"/clients?label=team":                                {widget, other},
		"/clients?label=team&label_value=b":                  {other},
		"/clients?label=team&label_value=b&status=active":    {},
		"/users?status=suspended":                            {v.Owner.ID},
		"/users?username=w-owner":                            {w.Owner.ID},
		"/users?email=v-owner@example.com":                   {v.Owner.ID},
		"/groups?name=group":                                 {group},
		"/groups?name=none":                                  {},
		"/groups?member_id=" + widget:                        {group},
		"/roles?name=w-role":                                 {w.Role.ID},
		"/assignments?role_id=" + w.Role.ID:                  {w.Assignment.ID},
		"/assignments?principal_id=" + v.Agent.ID:            {v.Assignment.ID},
		"/resource-servers?name=mine":                        {mine},
		"/resource-servers?identifier=HTTPS://mine.example/": {mine},
		"/resource-servers?status=suspended":                 {v.Service.ID},
		"/resource-servers?operator_id=" + widget:            {mine},
		"/grants?client_id=" + w.Agent.ID:                    {w.Agent.SelfGrantID},
		"/grants?subject_id=" + v.Agent.ID:                   {v.Agent.SelfGrantID},
		"/tokens?client_id=" + widget:                        {second.ID},
		"/tokens?subject_id=" + w.Agent.ID:                   {first.ID, second.ID},
		"/tokens?grant_id=" + v.Agent.SelfGrantID:            {foreign.ID},
		"/tokens?parent_id=" + first.ID:                      {second.ID},
		"/tokens?txn=" + first.ID:                            {first.ID, second.ID},
		"/tokens?resource_server_id=" + v.Service.ID:         {foreign.ID},
		"/tokens?live=true":                                  {first.ID, second.ID},
		"/tokens?live=false":                                 {first.ID, second.ID, foreign.ID},
	} {
		require.ElementsMatch(t, want, c.do(http.MethodGet, filter, nil).ids("id"), filter)
	}
}

// walk follows next_cursor from page to page.
func (c *client) walk(path, field string) (all []string, pages int) {
	c.t.Helper()
	next := ""
	for pages = 1; ; pages++ {
		a := c.do(http.MethodGet, path+next, nil)
		all = append(all, a.ids(field)...)
		after, more := a.JSON["next_cursor"].(string)
		if !more {
			return all, pages
		}
		require.Regexp(c.t, `^[A-Za-z0-9_-]+$`, after)
		next = "&cursor=" + after
	}
}

func TestEveryListComesInPages(t *testing.T) { both(t, testPages) }

func testPages(t *testing.T, c *client) {
	w := modelstest.NewWorld(t, c.store, "w")
	group := modelstest.Group(t, c.store, "all")
	for i := range 4 {
		name := fmt.Sprintf("n%d", i)
		app := modelstest.Application(t, c.store, name).ID
		require.NoError(t, c.store.AddGroupMember(t.Context(), modelstest.By(), group.ID, app))
		modelstest.Group(t, c.store, name)
		modelstest.User(t, c.store, name)
		modelstest.Service(t, c.store, name)
		modelstest.Scope(t, c.store, w.Service.ID, name+"/:+%")
		role := modelstest.Role(t, c.store, name, w.Service.ID, name+"/:+%")
		modelstest.Assign(t, c.store, role.ID, w.Agent.ID)
		modelstest.Secret(t, c.store, w.Agent.ID)
		modelstest.Issue(t, c.store, w.Token(c.store))
		person := modelstest.User(t, c.store, name+"-person")
		modelstest.Ask(t, c.store, app, person.ID)
		require.NoError(t, c.store.Acquaint(t.Context(), modelstest.By(), w.Agent.ID, person.ID))
		require.NoError(t, c.store.OfferTransfer(t.Context(), modelstest.By(), &models.Transfer{ClientID: w.Agent.ID, ToID: &person.ID}))
	}
	for path, field := range map[string]string{
		"/clients": "id", "/users": "id", "/groups": "id", "/roles": "id", "/assignments": "id", "/resource-servers": "id", "/grants": "id", "/tokens": "id", "/approvals": "id", "/transfers": "id",
		"/clients/" + w.Agent.ID + "/acquaintances":     "principal_id",
		"/groups/" + group.ID + "/members":              "member_id",
		"/resource-servers/" + w.Service.ID + "/scopes": "name",
		"/clients/" + w.Agent.ID + "/credentials":       "id",
		"/clients/" + w.Agent.ID + "/effective-scopes":  "scope",
		"/audit/entries": "id",
	} {
		want, pages := c.walk(path+"?limit=200", field)
		require.Equal(t, 1, pages, path)
		require.GreaterOrEqual(t, len(want), 4, path)
		got, pages := c.walk(path+"?limit=3", field)
		require.Equal(t, want, got, path)
		require.Equal(t, (len(want)+2)/3, pages, path)
		for _, limit := range []string{"0", "201", "-1", "x", "1.5"} {
			c.do(http.MethodGet, path+"?limit="+limit, nil).problem(http.StatusBadRequest, "invalid_request", "limit")
		}
	}
	newest, _ := c.walk("/audit/entries?order=desc&limit=7", "id")
	oldest, _ := c.walk("/audit/entries?limit=7", "id")
	slices.Reverse(newest)
	require.Equal(t, oldest, newest)
}

func TestCursors(t *testing.T) {
	c := newClient(t)
	for i := range 5 {
		modelstest.User(t, c.store, fmt.Sprintf("u%d", i))
	}
	for _, not := range []string{"%21", "a", "====", "YQ==", "AAAA", "w7w", "a b", "YR"} {
		for _, path := range []string{"/users", "/audit/entries", "/clients"} {
			c.do(http.MethodGet, path+"?cursor="+url.QueryEscape(not), nil).problem(http.StatusBadRequest, "invalid_request", "cursor")
		}
	}
	notANumber, err := cursor("usr_x").MarshalText()
	require.NoError(t, err)
	c.do(http.MethodGet, "/audit/entries?cursor="+string(notANumber), nil).problem(http.StatusBadRequest, "invalid_request", "cursor")
}

func TestEntriesCanBeFiltered(t *testing.T) {
	c := newClient(t)
	w := modelstest.NewWorld(t, c.store, "w")
	token := modelstest.Issue(t, c.store, w.Token(c.store))
	exchanged := modelstest.Issue(t, c.store, modelstest.Exchange(token, w.Agent.ID))
	refused := modelstest.Refused(c.store, w.Agent.ID)
	require.NoError(t, c.store.Append(t.Context(), refused))
	c.do(http.MethodPost, "/clients/"+w.Agent.ID+"/suspend", nil).is(http.StatusOK)

	all, _, err := c.store.Entries(t.Context(), models.EntryFilter{}, -1, 200)
	require.NoError(t, err)
	matching := func(keep func(models.Entry) bool) []string {
		ids := []string{}
		for _, e := range all {
			if keep(e) {
				ids = append(ids, e.ID)
			}
		}
		return ids
	}
	middle := time.UnixMilli(all[len(all)/2].At).UTC().Format(time.RFC3339Nano)
	at := all[len(all)/2].At
	for filter, keep := range map[string]func(models.Entry) bool{
		"kind=change":                    func(e models.Entry) bool { return e.Kind == models.KindChange },
		"action=suspendClient":           func(e models.Entry) bool { return e.Action == "suspendClient" },
		"outcome=refused":                func(e models.Entry) bool { return e.ID == refused.Entry.ID },
		"client_id=app_admin":            func(e models.Entry) bool { return e.Action == "suspendClient" },
		"subject_id=" + w.Agent.ID:       func(e models.Entry) bool { return e.SubjectID == w.Agent.ID },
		"resource_id=" + w.Service.ID:    func(e models.Entry) bool { return e.ResourceID == w.Service.ID },
		"token_id=" + exchanged.ID:       func(e models.Entry) bool { return e.TokenID == exchanged.ID },
		"txn=" + token.ID:                func(e models.Entry) bool { return e.Txn == token.ID },
		"grant_id=" + token.GrantID:      func(e models.Entry) bool { return e.GrantID == token.GrantID },
		"policy=revision-1":              func(e models.Entry) bool { return e.Policy == "revision-1" },
		"since=" + middle:                func(e models.Entry) bool { return e.At >= at },
		"until=" + middle:                func(e models.Entry) bool { return e.At < at },
		"until=1970-01-01T00:00:00Z":     func(models.Entry) bool { return false },
		"since=0001-01-01T00:00:00Z":     func(models.Entry) bool { return true },
		"kind=decision&outcome=granted&": func(e models.Entry) bool { return e.Outcome == models.OutcomeGranted },
	} {
		want := matching(keep)
		require.Equal(t, want, c.do(http.MethodGet, "/audit/entries?limit=200&"+filter, nil).ids("id"), filter)
		slices.Reverse(want)
		require.Equal(t, want, c.do(http.MethodGet, "/audit/entries?limit=200&order=desc&"+filter, nil).ids("id"), filter)
	}
	for filter, field := range map[string]string{
		"kind=x": "kind", "outcome=x": "outcome", "order=x": "order", "since=yesterday": "since", "until=2026-01-01": "until",
	} {
		c.do(http.MethodGet, "/audit/entries?"+filter, nil).problem(http.StatusBadRequest, "invalid_request", field)
	}
}
