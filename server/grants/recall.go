package grants

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// ExplainEntry tells why a recorded decision came out as it did: what was asked,
// known and answered is the ledger's; what would help, the policy that serves
// now says. Who may ask is decided before.
func (e *Endpoint) ExplainEntry(ctx context.Context, id string) (*Explanation, error) {
	entry, err := e.store.EntryByID(ctx, id)
	if err != nil {
		return nil, err
	}
	if entry.Kind == models.KindChange {
		return nil, &models.Invalid{Field: "id", Reason: "names a change, not a decision"}
	}
	view, err := e.store.View(ctx)
	if err != nil {
		return nil, err
	}
	kept, err := recallDetail(entry)
	if err != nil {
		return nil, err
	}
	if entry.Kind == models.KindFailure {
		return unasked(entry, kept), nil
	}
	x := &Explanation{Decision: kept.Decision, Entry: entry}
	if x.Input, err = e.recall(ctx, kept.Input); err != nil {
		return nil, err
	}
	return x, e.tell(ctx, view, x)
}

// recalled is the detail of an entry, of either kind.
type recalled struct {
	detail
	Error   string `json:"error"`
	Reason  string `json:"reason"`
	Claimed string `json:"claimed_client"`
	Limited bool   `json:"limited"`
}

func recallDetail(entry *models.Entry) (*recalled, error) {
	var kept recalled
	if err := json.Unmarshal([]byte(entry.Detail), &kept); err != nil {
		return nil, fmt.Errorf("read the detail of %s: %w", entry.ID, err)
	}
	return &kept, nil
}

// recall puts a recorded question together again.
func (e *Endpoint) recall(ctx context.Context, kept inputDetail) (policies.Input, error) {
	in := policies.Input{
		Action: kept.Action, Now: kept.Now, Request: kept.Request, Credential: kept.Credential,
		Parent: kept.Parent, Token: kept.Token, Consent: kept.Consent, Authorization: kept.Authorization,
		Session: kept.Session, Consents: kept.Consents, Object: kept.Object, Approval: kept.Approval, Acquaintance: kept.Acquaintance,
	}
	digests := append(append([]string{kept.Client, kept.Subject, kept.Represented}, kept.Chain...), kept.Resources...)
	bodies, err := e.store.FactBodies(ctx, digests)
	if err != nil {
		return in, err
	}
	if in.Client, err = fact[policies.Principal](bodies, kept.Client); err != nil {
		return in, err
	}
	if in.Subject, err = fact[policies.Principal](bodies, kept.Subject); err != nil {
		return in, err
	}
	if in.Represented, err = fact[policies.Principal](bodies, kept.Represented); err != nil {
		return in, err
	}
	if in.Chain, err = allFacts[policies.Principal](bodies, kept.Chain); err != nil {
		return in, err
	}
	in.Resources, err = allFacts[policies.Resource](bodies, kept.Resources)
	return in, err
}

// fact is a recorded fact, nil if there was none.
func fact[T any](bodies map[string]string, digest string) (*policies.Fact[T], error) {
	if digest == "" {
		return nil, nil
	}
	f := &policies.Fact[T]{JSON: bodies[digest], Digest: digest}
	if err := json.Unmarshal([]byte(f.JSON), &f.Value); err != nil {
		return nil, fmt.Errorf("read fact %s: %w", digest, err)
	}
	return f, nil
}

func allFacts[T any](bodies map[string]string, digests []string) ([]*policies.Fact[T], error) {
	out := make([]*policies.Fact[T], len(digests))
	for i, digest := range digests {
		var err error
		if out[i], err = fact[T](bodies, digest); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// unasked explains a request that was refused without a question to policy: it
// could not be read, or nobody knows who sent it.
func unasked(entry *models.Entry, kept *recalled) *Explanation {
	lack := Lack{
		Party: "client", PartyID: kept.Claimed, Lacks: "request", Reason: kept.Reason, Layer: policies.LayerServer,
		Message: fmt.Sprintf("The request was refused without asking policy: %s.", strings.ReplaceAll(kept.Reason, "_", " ")),
		Remedy:  "Send the request in the form that the endpoint takes.", Who: []Changer{{Kind: policies.WhoRequester, ID: kept.Claimed}},
	}
	switch {
	case kept.Limited || kept.Error == oauth.TemporarilyUnavailable:
		lack.Lacks, lack.Remedy = "room", "Wait, then ask less often, or raise the limit."
		lack.Who = append(lack.Who, Changer{Kind: policies.WhoHost})
	case kept.Error == oauth.InvalidClient:
		lack.Lacks, lack.Remedy = "credential", "Authenticate with a live credential of the client, in one way."
		lack.Who = append(lack.Who, Changer{Kind: whoAdministrator, Right: "credentials:write"})
	case kept.Error == oauth.InvalidToken:
		lack.Party, lack.Lacks, lack.Remedy = "parent_token", "token", "Send one access token for this API in the Authorization header."
	case kept.Error == oauth.ServerError:
		lack.Party, lack.Lacks, lack.Remedy, lack.Who = "deputy", "answer", hostRemedy, []Changer{{Kind: policies.WhoHost}}
	}
	return &Explanation{Entry: entry, Missing: []Lack{lack}, Told: &oauth.Error{Code: kept.Error, DecisionID: entry.ID, Reason: kept.Reason}}
}

func scopeClaim(scopes []string) string { return strings.Join(scopes, " ") }
