package grants

import (
	"encoding/json"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
)

// detail is what the ledger keeps of a decision beyond its columns: enough to
// put the same question again. Large facts are kept once, by digest.
type detail struct {
	Call     callDetail        `json:"call"`
	Input    inputDetail       `json:"input"`
	Decision policies.Decision `json:"decision"`
}

type callDetail struct {
	RequestID string `json:"request_id,omitempty"`
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	TraceID   string `json:"trace_id,omitempty"`
}

type inputDetail struct {
	V          int                 `json:"v"`
	Action     string              `json:"action"`
	Now        int64               `json:"now"`
	Request    policies.Request    `json:"request"`
	Credential policies.Credential `json:"credential"`
	Parent     *policies.Token     `json:"parent,omitempty"`
	Token      *policies.Token     `json:"token,omitempty"`
	Consent    *policies.Consent   `json:"consent,omitempty"`

	Authorization *policies.Authorization `json:"authorization,omitempty"`
	Session       *policies.Session       `json:"session,omitempty"`
	Consents      []*policies.Consent     `json:"consents,omitempty"`
	Object        *policies.Object        `json:"object,omitempty"`
	Approval      *policies.Approval      `json:"approval,omitempty"`
	Acquaintance  *policies.Acquaintance  `json:"acquaintance,omitempty"`
	// Digests of facts.
	Represented string `json:"represented,omitempty"`

	Client    string   `json:"client,omitempty"`
	Subject   string   `json:"subject,omitempty"`
	Chain     []string `json:"chain"`
	Resources []string `json:"resources"`
}

// record writes a decision down as the ledger will keep it.
func (e *Endpoint) record(call Call, m *matter, d policies.Decision, view *models.View) *models.Record {
	in := m.in
	r := &models.Record{Once: m.once, View: view}
	kept := inputDetail{
		V: policies.Version, Action: in.Action, Now: in.Now, Request: in.Request, Credential: in.Credential,
		Parent: in.Parent, Token: in.Token, Consent: in.Consent, Authorization: in.Authorization,
		Session: in.Session, Consents: in.Consents, Object: in.Object, Approval: in.Approval, Acquaintance: in.Acquaintance,
		Represented: keep(r, in.Represented), Client: keep(r, in.Client), Subject: keep(r, in.Subject), Chain: keepAll(r, in.Chain), Resources: keepAll(r, in.Resources),
	}
	body, err := json.Marshal(detail{Call: seen(call), Input: kept, Decision: d})
	if err != nil { // claims of house policy are the only part of free shape
		body, _ = json.Marshal(map[string]string{"error": err.Error()})
	}
	r.Entry = models.Entry{
		ID: models.NewID(models.PrefixDecision), At: e.now().UnixMilli(), Kind: models.KindDecision, Action: in.Action,
		Outcome: models.OutcomeRefused, ResourceID: d.Resource, SubjectID: d.Subject, Policy: d.Revision.House, Detail: string(body),
	}
	if d.Allow {
		r.Entry.Outcome = models.OutcomeGranted
	}
	if in.Client != nil {
		r.Entry.ClientID = in.Client.Value.ID
	}
	if (in.Session != nil || in.Object != nil || in.Request.Asked != nil) && in.Subject != nil {
		r.Entry.SubjectID = in.Subject.Value.ID
	}
	if a := in.Authorization; a != nil {
		r.Entry.SubjectID, r.Entry.GrantID = a.Subject, a.ID
	}
	for _, t := range []*policies.Token{in.Parent, in.Token} {
		if t != nil {
			r.Entry.SubjectID, r.Entry.Txn, r.Entry.GrantID = t.Subject, t.Txn, t.Grant.ID
		}
	}
	if a := in.Approval; a != nil && (a.Kind != models.ApprovalMachine || policies.Kind(in.Action) == policies.KindAuthorize) {
		r.Entry.SubjectID = a.Subject // of what a machine brings, whom its token speaks for is the subject
	}
	if in.Parent != nil {
		r.Entry.ParentID = in.Parent.ID
	}
	if in.Token != nil {
		r.Entry.TokenID, r.Entry.ResourceID = in.Token.ID, in.Token.Audience.ID
	}
	return r
}

// keep adds a fact to what the record stores and returns its digest.
func keep[T any](r *models.Record, f *policies.Fact[T]) string {
	if f == nil {
		return ""
	}
	r.Facts = append(r.Facts, models.FactBody{Digest: f.Digest, Body: f.JSON})
	return f.Digest
}

func keepAll[T any](r *models.Record, facts []*policies.Fact[T]) []string {
	out := make([]string, len(facts))
	for i, f := range facts {
		out[i] = keep(r, f)
	}
	return out
}

func seen(c Call) callDetail {
	agent := c.UserAgent
	if len(agent) > 200 {
		agent = agent[:200]
	}
	return callDetail{RequestID: c.RequestID, IP: c.IP, UserAgent: agent, TraceID: c.TraceID}
}
