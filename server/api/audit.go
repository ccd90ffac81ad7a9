package api

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/deputyauth/deputy/models"
)

func entryOf(e models.Entry) AuditEntry {
	return AuditEntry{
		Seq: e.Seq, ID: e.ID, At: atMilli(e.At), Kind: AuditKind(e.Kind), Action: e.Action, Outcome: AuditOutcome(e.Outcome),
		ClientID: e.ClientID, SubjectID: e.SubjectID, ResourceID: e.ResourceID, TokenID: e.TokenID, ParentID: e.ParentID,
		Txn: e.Txn, GrantID: e.GrantID, Policy: e.Policy, Detail: detailOf(e.Detail),
	}
}

// detailOf reads what the ledger keeps as text. Nothing is null in an answer;
// the exact text is in the proof.
func detailOf(text string) AuditDetail {
	detail := AuditDetail{}
	if err := json.Unmarshal([]byte(text), &detail); err != nil {
		return AuditDetail{"unreadable": text}
	}
	dropNulls(detail)
	return detail
}

func dropNulls(doc map[string]any) {
	for k, v := range doc {
		switch v := v.(type) {
		case nil:
			delete(doc, k)
		case map[string]any:
			dropNulls(v)
		case []any:
			for _, item := range v {
				if inner, ok := item.(map[string]any); ok {
					dropNulls(inner)
				}
			}
		}
	}
}

func (s *server) ListAuditEntries(ctx context.Context, r ListAuditEntriesRequestObject) (ListAuditEntriesResponseObject, error) {
	p, after := r.Params, int64(-1)
	if p.Cursor != "" {
		var err error
		if after, err = strconv.ParseInt(string(p.Cursor), 10, 64); err != nil || after < 0 {
			return nil, malformed("cursor", "Was not given out by this server.")
		}
	}
	rows, more, err := s.Store.Entries(ctx, models.EntryFilter{
		Kind: string(p.Kind), Action: p.Action, Outcome: string(p.Outcome), ClientID: p.ClientID, SubjectID: p.SubjectID,
		ResourceID: p.ResourceID, TokenID: p.TokenID, Txn: p.Txn, GrantID: p.GrantID, Policy: p.Policy,
		Since: bound(p.Since), Until: bound(p.Until), Newest: p.Order == ListAuditEntriesParamsOrderDesc,
	}, after, p.Limit)
	if err != nil {
		return nil, err
	}
	list := ListAuditEntries200JSONResponse{Items: each(rows, entryOf)}
	if more {
		list.NextCursor = cursor(strconv.FormatInt(rows[len(rows)-1].Seq, 10))
	}
	return list, nil
}

// bound is 0, which does not bound, only if no time was given.
func bound(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return max(1, t.UnixMilli())
}

func (s *server) GetAuditEntry(ctx context.Context, r GetAuditEntryRequestObject) (GetAuditEntryResponseObject, error) {
	e, err := s.Store.EntryByID(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	facts, err := s.Store.FactBodies(ctx, digestsIn(e.Detail))
	if err != nil {
		return nil, err
	}
	ev, err := s.Store.Evidence(ctx, e)
	if err != nil {
		return nil, err
	}
	proof := AuditProof{Tree: treeOf(ev.Tree), Leaf: ev.Leaf, Hashes: each(ev.Hashes, tlog.Hash.String)}
	return GetAuditEntry200JSONResponse{Entry: entryOf(*e), Facts: facts, Proof: proof}, nil
}

// digestsIn lists the facts that a decision's entry names.
func digestsIn(detail string) []string {
	var d struct {
		Input struct {
			Client, Subject  string
			Chain, Resources []string
		}
	}
	_ = json.Unmarshal([]byte(detail), &d) // other entries name none
	return append(append([]string{d.Input.Client, d.Input.Subject}, d.Input.Chain...), d.Input.Resources...)
}

func treeOf(t models.Tree) AuditTree { return AuditTree{Size: t.Size, Root: t.Root.String()} }

func (s *server) GetAuditHead(ctx context.Context, _ GetAuditHeadRequestObject) (GetAuditHeadResponseObject, error) {
	tree, err := s.Store.Tree(ctx)
	if err != nil {
		return nil, err
	}
	head := GetAuditHead200JSONResponse{Tree: treeOf(tree)}
	switch signed, err := s.Store.LatestHead(ctx); {
	case err == nil:
		head.Signed = SignedHead{Size: signed.Size, At: atMilli(signed.At), Note: signed.Note}
	case !errors.Is(err, models.ErrNotFound):
		return nil, err
	}
	return head, nil
}
