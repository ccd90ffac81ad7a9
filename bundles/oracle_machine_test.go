package bundles

import (
	"slices"

	"github.com/deputyauth/deputy/policies"
)

// machine: somebody is asked to let a client do something by itself.
func (o *oracle) machine() bool {
	return o.away && o.in.Approval != nil && o.in.Approval.Kind == "machine"
}

// byItself: nobody is asked for what the client could not have then. How it proves who
// it is does not matter while a person looks.
func (o *oracle) byItself() {
	if !o.machine() {
		return
	}
	in := o.in
	in.Subject, in.Represented, in.Approval, in.Acquaintance, in.Session, in.Consents = in.Represented, nil, nil, nil, nil, nil
	in.Action = "issue:access_token:unknown"
	switch o.in.Approval.GrantType {
	case "client_credentials":
		in.Action = policies.IssueClientCredentials
	case exchange:
		in.Action = policies.IssueTokenExchange
	}
	for _, code := range judge(in).Codes {
		if code != "credential_unknown" || o.in.Action == policies.AskApproval {
			o.codes[code] = true
		}
	}
}

// mayApprove: in whose name a token speaks, or whoever answers for an agent's own.
func (o *oracle) mayApprove() bool {
	a, spokenFor := o.in.Approval, o.subject
	if o.away {
		spokenFor = value(o.in.Represented)
	}
	own := a.GrantType == "client_credentials" || spokenFor != nil && (spokenFor.Kind == "agent" || spokenFor.Kind == "application")
	if own && a.Approver != nil && (a.Approver.Known == "owner" || a.Approver.Known == "listed") {
		return true
	}
	return a.GrantType == exchange && spokenFor != nil && spokenFor.Kind == "user" && spokenFor.ID == a.Subject
}

// brought: what a machine brings is for what it asks now, and nobody else's.
func (o *oracle) brought(at *policies.Resource) {
	a := o.in.Approval
	grantType, ok := map[string]string{policies.IssueClientCredentials: "client_credentials", policies.IssueTokenExchange: exchange}[o.in.Action]
	if !ok || a == nil && !o.in.Request.Approval {
		return
	}
	if a == nil || a.Kind != "machine" || o.client == nil || a.Client != o.client.ID || a.GrantType != grantType || !o.sameParent() {
		o.codes["approval_foreign"] = true
		return
	}
	open := a.State == "pending" && o.ahead(a.ExpiresAt)
	o.refuse("approval_pending", open)
	o.refuse("approval_expired", a.State == "pending" && !open)
	o.refuse("approval_denied", !slices.Contains([]string{"pending", "approved", "used"}, a.State))
	o.refuse("approval_used", a.State == "used")
	o.refuse("approval_pushed", a.Delivery != "poll" && a.Delivery != "ping" || o.in.Credential.Method == "push")
	if a.State != "approved" {
		return
	}
	o.refuse("approval_over", !o.ahead(a.Until))
	o.refuse("approver_gone", !o.mayApprove() || a.Approver == nil || a.Approver.Status != "active" || !o.ahead(a.Approver.ExpiresAt))
	var scopes []string
	var details []policies.Detail
	if at != nil {
		scopes, details = a.Scopes[at.ID], a.Details[at.ID]
	}
	for _, s := range o.requested(at) {
		o.refuse("approval_exceeded", !slices.Contains(scopes, s))
	}
	o.refuse("approval_exceeded", !slices.Equal(texts(o.in.Request.Details), texts(details)))
}

// texts are the same for the same objects, in whatever order.
func texts(details []policies.Detail) (out []string) {
	for _, d := range details {
		out = append(out, string(d))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (o *oracle) sameParent() bool {
	a := o.in.Approval
	if o.alone {
		return a.Parent == ""
	}
	return o.in.Parent != nil && a.Parent != "" && a.Parent == o.in.Parent.ID
}
