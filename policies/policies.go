// Package policies holds the Rego that decides, embedded, and the only words
// Go and Rego share: Input (facts), Decision (the answer) and Reason (why not).
//
// It imports nothing of ours and knows neither Gin, GORM nor OPA.
package policies

import "embed"

// FS holds the floor, the composition and the starter house bundle, with their
// tests, the input schema and the capabilities house policy may use.
//
//go:embed floor compose house schemas capabilities.json
var FS embed.FS

// Version of the input document. Raise it when a field changes meaning, so that
// a recorded decision is never replayed against words it was not asked in.
const Version = 1

// Ceiling is the hard limit of a chain's length that no configuration lifts.
const Ceiling = 8

// Never is the expiry of what does not expire: 9999-12-31T23:59:59Z in unix
// seconds. Facts always carry an expiry, because a missing one must refuse.
const Never int64 = 253402300799

// Action names, shaped like the AuthZEN token issuance profile:
// issue:<token type>:<grant type>.
const (
	IssueClientCredentials = "issue:access_token:client_credentials"
	IssueTokenExchange     = "issue:access_token:token_exchange"
	IssueAuthorizationCode = "issue:access_token:authorization_code"
	IssueRefreshToken      = "issue:access_token:refresh_token"
	IssueCIBA              = "issue:access_token:ciba"
	IssueDevice            = "issue:access_token:device_code"
	Authorize              = "authorize" // a client asks for a user
	AnswerConsent          = "consent"   // the user has answered
	Introspect             = "introspect"
	Revoke                 = "revoke"
	Leaked                 = "leaked"            // somebody found what opens something
	Userinfo               = "userinfo"          // whoever carries a token asks who its user is
	Follow                 = "events"            // a client follows events of the services it operates
	Evaluate               = "access:evaluation" // it asks what somebody may do there
	AskApproval            = "approval:ask"      // a client asks somebody who is elsewhere
	ShowApproval           = "approval:show"     // they look at it
	AnswerApproval         = "approval:answer"   // they have answered
	// AdminPrefix is followed by an operation id of the admin API.
	AdminPrefix = "admin:"
	// AccountPrefix is followed by what a person changes of their own account.
	AccountPrefix = "account:"
)

// Kinds of decisions: each has a floor entrypoint floor.<kind>.decision, a
// house package house.<kind> and is composed by compose.<kind>.decision; those in
// which the house has no say have the first alone.
const (
	KindIssue      = "issue"
	KindIntrospect = "introspect"
	KindRevoke     = "revoke"
	KindAuthorize  = "authorize"
	KindAdmin      = "admin"
	KindUserinfo   = "userinfo"
	KindAccount    = "account"
	KindEvents     = "events"
	KindAccess     = "access"
)

// Kinds lists every kind of decision.
func Kinds() []string {
	return []string{KindIssue, KindAuthorize, KindIntrospect, KindRevoke, KindAdmin, KindUserinfo, KindAccount, KindEvents, KindAccess}
}

// Kind tells which entrypoint answers an action.
func Kind(action string) string {
	switch {
	case len(action) > 6 && action[:6] == "issue:":
		return KindIssue
	case len(action) > len(AdminPrefix) && action[:len(AdminPrefix)] == AdminPrefix:
		return KindAdmin
	case len(action) > len(AccountPrefix) && action[:len(AccountPrefix)] == AccountPrefix:
		return KindAccount
	case action == AnswerConsent, action == AskApproval, action == ShowApproval, action == AnswerApproval:
		return KindAuthorize
	case action == Leaked:
		return KindRevoke
	case action == Evaluate:
		return KindAccess
	default:
		return action
	}
}
