package models

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/deputyauth/deputy/policies"
)

// table writes rows in statements of several rows each, past GORM's builder,
// which would take longer than the database.
type table struct {
	columns  int
	sqlite   map[int]string // statement by number of rows
	postgres map[int]string
}

// rowsPerStatement are the sizes statements come in: few, so that each is
// prepared once, and none above the databases' limits on bound values.
var rowsPerStatement = []int{32, 8, 2, 1}

var (
	ledgerTable = newTable("ledger", "", "seq", "id", "at", "kind", "action", "outcome", "client_id", "subject_id",
		"resource_id", "token_id", "parent_id", "txn", "grant_id", "policy", "detail")
	tokensTable = newTable("tokens", "", "id", "grant_id", "parent_id", "txn", "client_id", "subject_id", "resource_id",
		"scopes", "chain", "details", "decision_id", "issued_at", "expires_at", "revoked_at")
	refreshTable = newTable("refresh_tokens", "", "hash", "grant_id", "client_id", "parent", "created_at", "expires_at", "used_at")
	factsTable   = newTable("facts", " on conflict do nothing", "digest", "body")
	usedTable    = newTable("used_once", " on conflict do nothing", "purpose", "value", "expires_at")
	treeTable    = newTable("ledger_tree", "", "first", "hashes")
)

func newTable(name, suffix string, columns ...string) *table {
	t := &table{columns: len(columns), sqlite: map[int]string{}, postgres: map[int]string{}}
	for _, rows := range rowsPerStatement {
		var lite, pg []string
		for row := range rows {
			var numbered []string
			for column := range columns {
				numbered = append(numbered, fmt.Sprintf("$%d", row*len(columns)+column+1))
			}
			pg = append(pg, "("+strings.Join(numbered, ", ")+")")
			lite = append(lite, "(?"+strings.Repeat(", ?", len(columns)-1)+")")
		}
		begin := fmt.Sprintf("insert into %s (%s) values ", name, strings.Join(columns, ", "))
		t.sqlite[rows] = begin + strings.Join(lite, ", ") + suffix
		t.postgres[rows] = begin + strings.Join(pg, ", ") + suffix
	}
	return t
}

func (e *Entry) row() []any {
	return []any{
		e.Seq, e.ID, e.At, e.Kind, e.Action, e.Outcome, e.ClientID, e.SubjectID, e.ResourceID,
		e.TokenID, e.ParentID, e.Txn, e.GrantID, e.Policy, e.Detail,
	}
}

func (t *Token) row() []any {
	return []any{
		t.ID, t.GrantID, t.ParentID, t.Txn, t.ClientID, t.SubjectID, t.ResourceID, jsonText(t.Scopes), jsonText(t.Chain),
		detailsText(t.Details), t.DecisionID, t.IssuedAt, t.ExpiresAt, t.RevokedAt,
	}
}

func jsonText(list []string) string {
	body, _ := json.Marshal(list) // strings cannot fail
	return string(body)
}

func detailsText(list []policies.Detail) string {
	if len(list) == 0 {
		return "[]"
	}
	body, _ := json.Marshal(list) // of JSON
	return string(body)
}

// insert writes n rows.
func (t *table) insert(u unit, n int, row func(i int) []any) error {
	for i := 0; i < n; {
		size := rowsPerStatement[slices.IndexFunc(rowsPerStatement, func(s int) bool { return s <= n-i })]
		args := make([]any, 0, size*t.columns)
		for end := i + size; i < end; i++ {
			args = append(args, row(i)...)
		}
		if err := u.exec(t.text(u, size), args...); err != nil {
			return err
		}
	}
	return nil
}

// insertNew writes a row and tells whether it was not there yet.
func (t *table) insertNew(u unit, row ...any) (bool, error) {
	written, err := u.count(t.text(u, 1), row...)
	return written > 0, err
}

func (t *table) text(u unit, rows int) string {
	if u.dialect() == "postgres" {
		return t.postgres[rows]
	}
	return t.sqlite[rows]
}
