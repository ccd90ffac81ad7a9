package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/upkeep"
)

type auditCmd struct {
	Verify        auditVerifyCmd        `cmd:"" help:"Prove that nothing in the ledger was altered, dropped or reordered."`
	Tail          auditTailCmd          `cmd:"" help:"Print the newest entries, one a line."`
	Archive       auditArchiveCmd       `cmd:"" help:"Move the beginning of the ledger into a file. What is left is proven as before, and so is the file."`
	VerifyArchive auditVerifyArchiveCmd `cmd:"" help:"Prove an archive, by the keys of the ledger alone."`
	Show          auditShowCmd          `cmd:"" help:"Print one entry whole, or every hop of a chain."`
}

type auditVerifyCmd struct {
	database
	Key      []string `sep:"none" help:"Verifier key of the tree heads; once for each, if they were rotated (default: those in the database)." placeholder:"KEY"`
	Heads    []string `name:"head" help:"A signed head that was kept elsewhere, to hold the ledger against." placeholder:"FILE"`
	SaveHead string   `help:"Write the newest signed head to this file, to be kept elsewhere." placeholder:"FILE"`
}

// Run verifies the ledger; it fails if there is any finding.
func (c *auditVerifyCmd) Run(ctx context.Context, io streams) error {
	store, err := c.open()
	if err != nil {
		return err
	}
	defer store.Close()
	if err := verifyLedger(ctx, store, c.Key, c.Heads, io); err != nil {
		return err
	}
	if c.SaveHead == "" {
		return nil
	}
	head, err := store.LatestHead(ctx)
	if err != nil {
		return err
	}
	return os.WriteFile(c.SaveHead, []byte(head.Note), 0o644)
}

// verifyLedger prints what a verification finds; it fails if there is anything.
func verifyLedger(ctx context.Context, store *models.Store, keys, heads []string, io streams) error {
	verifiers, err := upkeep.Verifiers(ctx, store, keys)
	if err != nil {
		return err
	}
	kept, err := readHeads(heads)
	if err != nil {
		return err
	}
	v, err := store.Verify(ctx, verifiers, kept)
	if err != nil {
		return err
	}
	for _, f := range v.Findings {
		fmt.Fprintln(io.out, "FINDING", f)
	}
	fmt.Fprintf(io.out, "%d entries, %d facts, %d signed heads; %d entries are newer than the newest head. Root %s\n",
		v.Entries, v.Facts, v.Heads, v.Unsigned, v.Root)
	if v.Archived > 0 {
		fmt.Fprintf(io.out, "The first %d entries are archived; the last entry %q tells in which file.\n", v.Archived, models.ActionArchive)
	}
	if len(v.Findings) > 0 {
		return fmt.Errorf("the ledger does not hold: %d findings", len(v.Findings))
	}
	fmt.Fprintln(io.out, "The ledger holds.")
	return nil
}

// readHeads reads signed heads that were kept in files.
func readHeads(files []string) (kept []string, err error) {
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		kept = append(kept, string(body))
	}
	return kept, nil
}

type auditTailCmd struct {
	database
	Lines   int    `short:"n" default:"20" help:"How many entries (at most 200)."`
	Follow  bool   `short:"f" help:"Go on printing as entries come."`
	Client  string `help:"Of one client only." placeholder:"ID"`
	Subject string `help:"Done for one subject only." placeholder:"ID"`
	Outcome string `help:"granted, refused or done." placeholder:"OUTCOME"`
}

// Run prints entries, oldest first.
func (c *auditTailCmd) Run(ctx context.Context, io streams) error {
	store, err := c.open()
	if err != nil {
		return err
	}
	defer store.Close()
	filter := models.EntryFilter{ClientID: c.Client, SubjectID: c.Subject, Outcome: c.Outcome, Newest: true}
	rows, _, err := store.Entries(ctx, filter, -1, c.Lines)
	if err != nil {
		return err
	}
	last := int64(-1)
	for i := len(rows) - 1; i >= 0; i-- {
		fmt.Fprintln(io.out, entryLine(rows[i]))
		last = rows[i].Seq
	}
	filter.Newest = false
	for c.Follow && ctx.Err() == nil {
		rows, _, err := store.Entries(ctx, filter, last, 200)
		if err != nil {
			return err
		}
		for _, e := range rows {
			fmt.Fprintln(io.out, entryLine(e))
			last = e.Seq
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil
}

func entryLine(e models.Entry) string {
	var d struct {
		Decision struct {
			Scopes  []string `json:"scopes"`
			Chain   []string `json:"chain"`
			Reasons []struct {
				Code  string `json:"code"`
				Scope string `json:"scope"`
			} `json:"reasons"`
		} `json:"decision"`
		Reason  string `json:"reason"`
		Target  string `json:"target"`
		Counted struct {
			Count int64  `json:"count"`
			First string `json:"first"`
		} `json:"counted"`
	}
	_ = json.Unmarshal([]byte(e.Detail), &d) // an unreadable detail is for verify to find
	var more []string
	if len(d.Decision.Scopes) > 0 {
		more = append(more, "scope="+strings.Join(d.Decision.Scopes, ","))
	}
	if len(d.Decision.Chain) > 0 {
		more = append(more, "chain="+strings.Join(d.Decision.Chain, "<-"))
	}
	for _, r := range d.Decision.Reasons {
		more = append(more, strings.TrimSuffix("why="+r.Code+":"+r.Scope, ":"))
	}
	if d.Reason != "" {
		more = append(more, "why="+d.Reason)
	}
	if d.Counted.Count > 0 {
		more = append(more, fmt.Sprintf("again=%d after=%s", d.Counted.Count, d.Counted.First))
	}
	if d.Target != "" {
		more = append(more, "target="+d.Target)
	}
	at := time.UnixMilli(e.At).UTC().Format("2006-01-02T15:04:05.000Z")
	return fmt.Sprintf("%6d %s %-8s %-44s %s client=%s subject=%s %s", e.Seq, at, e.Outcome, e.Action, e.ID, e.ClientID, e.SubjectID, strings.Join(more, " "))
}

type auditShowCmd struct {
	database
	ID string `arg:"" help:"Id of an entry (dec_…, chg_…), or of a token (tok_…) for every hop of its chain."`
}

// Run prints what the ledger keeps, facts included.
func (c *auditShowCmd) Run(ctx context.Context, io streams) error {
	store, err := c.open()
	if err != nil {
		return err
	}
	defer store.Close()
	if models.HasPrefix(c.ID, models.PrefixToken) {
		return showChain(ctx, io, store, c.ID)
	}
	e, err := store.EntryByID(ctx, c.ID)
	if err != nil {
		return err
	}
	evidence, err := store.Evidence(ctx, e)
	if err != nil {
		return err
	}
	var detail any
	if err := json.Unmarshal([]byte(e.Detail), &detail); err != nil {
		return fmt.Errorf("the detail of %s cannot be read: %w", e.ID, err)
	}
	digests := digestsIn(detail)
	facts, err := store.FactBodies(ctx, digests)
	if err != nil {
		return err
	}
	bodies := map[string]json.RawMessage{}
	for digest, body := range facts {
		bodies[digest] = json.RawMessage(body)
	}
	columns := *e
	columns.Detail = ""
	enc := json.NewEncoder(io.out)
	enc.SetIndent("", "  ")
	return enc.Encode(map[string]any{"entry": columns, "detail": detail, "facts": bodies, "inclusion": evidence})
}

// digestsIn finds the digests of facts in a decision's input.
func digestsIn(detail any) []string {
	doc, _ := detail.(map[string]any)
	input, _ := doc["input"].(map[string]any)
	var out []string
	for _, key := range []string{"client", "subject", "chain", "resources"} {
		switch v := input[key].(type) {
		case string:
			out = append(out, v)
		case []any:
			for _, one := range v {
				if s, ok := one.(string); ok {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

func showChain(ctx context.Context, io streams, store *models.Store, tokenID string) error {
	t, err := store.Token(ctx, tokenID)
	if err != nil {
		return err
	}
	rows, _, err := store.Entries(ctx, models.EntryFilter{Txn: t.Txn}, -1, 200)
	if err != nil {
		return err
	}
	for _, e := range rows {
		fmt.Fprintln(io.out, entryLine(e))
	}
	return nil
}
