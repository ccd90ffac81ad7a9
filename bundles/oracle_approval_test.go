package bundles

import (
	"slices"

	"github.com/deputyauth/deputy/policies"
)

// peoples are the actions by which a client brings what a person granted.
var peoples = []string{policies.IssueAuthorizationCode, policies.IssueRefreshToken, policies.IssueCIBA, policies.IssueDevice}

// kinds of what is presented, where only one will do.
var kinds = map[string]string{policies.IssueAuthorizationCode: "authorization_code", policies.IssueCIBA: "ciba", policies.IssueDevice: "device"}

func (o *oracle) fromDevice() bool { return o.in.Approval != nil && o.in.Approval.Kind == "device" }

func (o *oracle) grantType() string {
	switch {
	case !o.away:
		return "authorization_code"
	case o.fromDevice():
		return "urn:ietf:params:oauth:grant-type:device_code"
	case o.machine():
		return o.in.Approval.GrantType
	}
	return "urn:openid:params:grant-type:ciba"
}

func (o *oracle) answers() bool {
	return o.in.Action == policies.AnswerConsent || o.in.Action == policies.AnswerApproval
}

// elsewhere: a client asks somebody who is not there, or they look and answer.
func (o *oracle) elsewhere() {
	a := o.in.Approval
	if o.in.Action == policies.AskApproval && !o.fromDevice() {
		o.asks()
	}
	o.byItself()
	theirs := a != nil && o.client != nil && a.Client == o.client.ID
	if o.in.Action == policies.AskApproval && o.fromDevice() && a.Subject == "" {
		o.refuse("approval_foreign", !theirs)
	} else {
		o.refuse("approval_foreign", !theirs || o.subject == nil || o.subject.ID != a.Subject || o.machine() && !o.mayApprove())
	}
	o.refuse("approval_over", a == nil || a.State != "pending" || !o.ahead(a.ExpiresAt))
}

// asks: somebody who knows the client is asked, who can be reached, and not too often.
func (o *oracle) asks() {
	q := o.in.Acquaintance
	known := q != nil && slices.Contains([]string{"owner", "consent", "listed"}, q.Known)
	if o.machine() {
		known = o.mayApprove()
	}
	if o.subject == nil || o.subject.Kind != "user" || !known {
		o.codes["user_unknown"] = true
		return
	}
	if q == nil { // nothing known of it is nothing in favour
		q = &policies.Acquaintance{Waiting: 99, Pending: 99, Asked: 99, Denials: 99, ReportedAt: 1}
	}
	o.refuse("user_unreachable", !q.Reached)
	o.refuse("user_code_missing", q.UserCode == "missing")
	o.refuse("user_code_wrong", q.UserCode != "none" && q.UserCode != "ok" && q.UserCode != "missing")
	o.refuse("approvals_waiting", q.Pending > 2 || q.Waiting > 19)
	o.refuse("asked_too_often", q.Asked > 11)
	o.refuse("denied_lately", q.Denials > 2 || q.DeniedAt > o.in.Now-60)
	o.refuse("reported_lately", q.ReportedAt != 0)
}

// carriedOut: what was approved is for the client that asked, there where it was.
func (o *oracle) carriedOut(at *policies.Resource) {
	if o.in.Action != policies.IssueCIBA && o.in.Action != policies.IssueDevice {
		o.brought(at)
		return
	}
	a := o.in.Approval
	if a == nil || o.client == nil || a.Client != o.client.ID || a.Kind != kinds[o.in.Action] {
		o.codes["approval_foreign"] = true
	} else {
		open := a.State == "pending" && o.ahead(a.ExpiresAt)
		o.refuse("approval_pending", open)
		o.refuse("approval_expired", a.State == "pending" && !open)
		o.refuse("approval_denied", a.State != "pending" && a.State != "approved" && a.State != "used")
		o.refuse("approval_used", a.State == "used")
		fetched := (a.Delivery == "poll" || a.Delivery == "ping") && o.in.Credential.Method != "push"
		o.refuse("approval_pushed", !fetched && !o.pushed())
	}
	if a != nil && a.State == "approved" && at != nil && o.grant != nil && slices.Contains(o.grant.Resources, at.ID) {
		o.refuse("approval_foreign", o.in.Consent == nil || o.in.Consent.Approval != a.ID)
	}
}

// pushed: the client that asked is told where it is registered to be.
func (o *oracle) pushed() bool {
	a := o.in.Approval
	return o.in.Action == policies.IssueCIBA && o.in.Credential.Method == "push" && a != nil && a.Delivery == "push" && a.Kind == "ciba" && o.client != nil && a.Client == o.client.ID
}

// approved: a person saw this very request.
func (o *oracle) approved(server, scope string) bool {
	return o.agreed(server, scope) && o.in.Consent.Approval != "" && o.in.Action != policies.IssueRefreshToken
}

func (o *oracle) anew(visit *policies.Visit) bool {
	s, a := o.in.Session, o.in.Approval
	return s != nil && (o.in.Request.Visit != nil && s.AuthTime >= visit.Began || a != nil && s.AuthTime > a.CreatedAt)
}

func (o *oracle) weak(values []string) bool {
	return len(values) > 0 && (o.in.Session == nil || !slices.Contains(values, o.in.Session.ACR))
}

// fresh: whoever is there has shown who they are within five minutes, or for this.
func (o *oracle) fresh(visit *policies.Visit) bool {
	return o.in.Session != nil && o.in.Session.AuthTime >= o.in.Now-300 || o.anew(visit)
}

// risky: something of high risk is answered, or is about to be asked at a page.
func (o *oracle) risky(offers map[string]string) bool {
	if o.answers() {
		return o.tickedRisk()
	}
	if o.away {
		return false
	}
	if slices.ContainsFunc(o.inquiries, func(a inquiry) bool { return a.risk == "high" && a.state == "offered" }) {
		return true
	}
	for _, r := range o.chosen() {
		for s, scope := range r.Scopes {
			if scope.Risk == "high" && offers[r.ID+" "+s] == "offered" {
				return true
			}
		}
	}
	return false
}

func (o *oracle) tickedRisk() bool {
	if !o.answers() || o.in.Request.Answer == nil {
		return false
	}
	var ticked []string
	for _, g := range o.in.Request.Answer.Scopes {
		ticked = append(ticked, g.Resource+" "+g.Scope)
	}
	return len(o.once(o.allowed(ticked))) > 0
}

// once are the servers at which something of high risk is granted, which was asked for.
func (o *oracle) once(granted []string, details []inquiry) (out []string) {
	for _, r := range o.chosen() {
		asked := o.asked()
		if asked != nil && len(asked) == 0 && o.client != nil {
			asked = o.client.Defaults[r.ID]
		}
		if slices.ContainsFunc(asked, func(s string) bool { return r.Scopes[s].Risk == "high" && slices.Contains(granted, r.ID+" "+s) }) {
			out = append(out, r.ID)
		}
	}
	for _, a := range details {
		if a.risk == "high" {
			out = append(out, a.server)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
