package models_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
)

func rowTamperings() []tampering {
	plain, last := func(e *evidence) int64 { return e.plain }, func(e *evidence) int64 { return e.size - 1 }
	beyond := func(e *evidence) int64 { return e.size }
	two := func(e *evidence) []string { return []string{entry(e.plain), entry(e.plain + 2)} }
	return []tampering{
		{"row deleted", func(t *testing.T, e *evidence) {
			e.exec(t, "delete from ledger where seq = ?", e.plain)
		}, at(plain)},
		{"last row deleted", func(t *testing.T, e *evidence) {
			e.exec(t, "delete from ledger where seq = ?", e.size-1)
		}, at(last)},
		{"first row deleted", func(t *testing.T, e *evidence) {
			e.exec(t, "delete from ledger where seq = 0")
		}, at(func(*evidence) int64 { return 0 })},
		{"two rows swapped", func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger set seq = 1000 where seq = ?", e.plain)
			e.exec(t, "update ledger set seq = ? where seq = ?", e.plain, e.plain+2)
			e.exec(t, "update ledger set seq = ? where seq = 1000", e.plain+2)
		}, two},
		{"two details swapped", func(t *testing.T, e *evidence) {
			var details []string
			require.NoError(t, e.db.Model(&models.Entry{}).Where("seq in (0, ?)", e.plain).Order("seq desc").Pluck("detail", &details).Error)
			e.exec(t, "update ledger set detail = ? where seq = 0", details[0])
			e.exec(t, "update ledger set detail = ? where seq = ?", details[1], e.plain)
		}, func(e *evidence) []string { return []string{entry(0), entry(e.plain)} }},
		{"row inserted at the end", func(t *testing.T, e *evidence) {
			row := models.Entry{Seq: e.size, ID: "dec_forged", Detail: "{}"}
			require.NoError(t, e.db.Create(&row).Error)
		}, at(beyond)},
		{"row inserted before the beginning", func(t *testing.T, e *evidence) {
			row := models.Entry{Seq: -1, ID: "dec_forged", Detail: "{}"}
			require.NoError(t, e.db.Create(&row).Error)
		}, at(func(*evidence) int64 { return -1 })},
		{"row moved to the end", func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger set seq = ? where seq = ?", e.size, e.plain)
		}, func(e *evidence) []string { return []string{entry(e.plain), entry(e.size)} }},
		{"row moved far away", func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger set seq = ? where seq = ?", int64(1)<<60, e.plain)
		}, func(e *evidence) []string { return []string{entry(e.plain), entry(1 << 60)} }},
		{"granting row changed", func(t *testing.T, e *evidence) {
			e.exec(t, `update ledger set detail = replace(detail, '"read"', '"write"') where seq = ?`, e.grant)
		}, at(func(e *evidence) int64 { return e.grant })},
		{"granting row deleted", func(t *testing.T, e *evidence) {
			e.exec(t, "delete from ledger where seq = ?", e.grant)
		}, func(e *evidence) []string { return []string{entry(e.grant), "token " + e.token.ID} }},
		{"fact changed", func(t *testing.T, e *evidence) {
			e.exec(t, "update facts set body = '[]' where digest = ?", e.fact)
		}, func(e *evidence) []string { return []string{"fact " + e.fact} }},
	}
}

func treeTamperings() []tampering {
	head := func(*evidence) []string { return []string{"ledger_head"} }
	signed := func(e *evidence) []string { return []string{fmt.Sprint("head ", e.signed)} }
	return []tampering{
		{"leaf changed", func(t *testing.T, e *evidence) {
			flip(t, e, 1, 0)
		}, func(*evidence) []string { return []string{entry(1), "tree at entry 1"} }},
		{"hash above two leaves changed", func(t *testing.T, e *evidence) {
			flip(t, e, 1, 1) // is below a hash that was stored with entry 3
		}, func(*evidence) []string { return []string{"tree at entry 1", "tree at entry 3"} }},
		{"hashes of an entry deleted", func(t *testing.T, e *evidence) {
			e.exec(t, "delete from ledger_tree where first = (select max(first) from ledger_tree)")
		}, func(e *evidence) []string { return []string{fmt.Sprint("tree at entry ", e.size-1)} }},
		{"hashes inserted", func(t *testing.T, e *evidence) {
			require.NoError(t, e.db.Create(&models.TreePart{First: 1 << 40, Hashes: make([]byte, 64)}).Error)
		}, func(*evidence) []string { return []string{"ledger_tree"} }},
		{"head's size raised", func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger_head set size = ?", int64(1)<<60)
		}, head},
		{"head's size lowered", func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger_head set size = size - 1")
		}, head},
		{"head's edge changed", func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger_head set edge = ?", make([]byte, 32))
		}, head},
		{"head's edge cut", func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger_head set edge = ?", []byte{1})
		}, head},
		{"signed head's text changed", func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger_heads set note = replace(note, 'go.sum', 'go.mod')")
		}, signed},
		{"signed head is no note", func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger_heads set note = ''")
		}, signed},
		{"signed head moved", func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger_heads set size = size - 1")
		}, func(e *evidence) []string { return []string{fmt.Sprint("head ", e.signed-1)} }},
	}
}

// flip changes one of the hashes that were stored with entry n.
func flip(t *testing.T, e *evidence, n int64, level int) {
	t.Helper()
	var part models.TreePart
	require.NoError(t, e.db.First(&part, "first = ?", tlog.StoredHashCount(n)).Error)
	part.Hashes[level*tlog.HashSize] ^= 1
	require.NoError(t, e.db.Save(&part).Error)
}

func tokenTamperings() []tampering {
	token := func(e *evidence) []string { return []string{"token " + e.token.ID} }
	change := func(name, set string) tampering {
		return tampering{"token's " + name, func(t *testing.T, e *evidence) {
			e.exec(t, "update tokens set "+set+" where id = ?", e.token.ID)
		}, token}
	}
	insert := func(name, decision string) tampering {
		return tampering{name, func(t *testing.T, e *evidence) {
			forged := e.token
			forged.ID, forged.Details = "tok_forged", []policies.Detail{}
			if decision != "" {
				forged.DecisionID = decision
			}
			require.NoError(t, e.db.Create(&forged).Error)
		}, func(*evidence) []string { return []string{"token tok_forged"} }}
	}
	return []tampering{
		change("scopes", `scopes = '["read","write"]'`), change("details", `details = '[{"type":"payment"}]'`), change("chain", `chain = '[]'`), change("client", "client_id = 'agt_other'"),
		change("subject", "subject_id = 'usr_other'"), change("resource server", "resource_id = 'rsv_other'"), change("grant", "grant_id = 'gnt_other'"),
		change("parent", "parent_id = ''"), change("transaction", "txn = id"), change("decision", "decision_id = 'dec_other'"),
		change("issue", "issued_at = issued_at + 1"), change("expiry", "expires_at = expires_at + 1"),
		insert("token nobody granted", "dec_none"), insert("token granted once, there twice", ""),
	}
}
