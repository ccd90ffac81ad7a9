package grants

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// answer is how a reason of policy is told: the OAuth code at Deputy's own
// endpoints, the code when a bearer token was used (RFC 6750), and a sentence
// that says what is missing and who could change it.
type answer struct {
	reason string
	code   string
	bearer string
	say    func(t teller, r policies.Reason) string
}

// answers is ordered: of several reasons, the first in this table gives the
// code, and every reason with the same code is told.
var answers = []answer{
	{policies.CodePolicyError, oauth.ServerError, oauth.ServerError, fixed("Policy gave no valid answer, so nothing was granted. An administrator can find the cause under this decision id.")},
	{policies.CodeSeatBelt, oauth.ServerError, oauth.ServerError, fixed("Policy granted more than a party has, so nothing was granted. An administrator has been alarmed.")},
	{"version_unknown", oauth.ServerError, oauth.ServerError, fixed("The question to policy was put in words of another version.")},
	{"action_unknown", oauth.ServerError, oauth.ServerError, fixed("Policy does not know this action.")},
	{"operation_unknown", oauth.ServerError, oauth.ServerError, fixed("Policy does not know this operation.")},
	{"credential_unknown", oauth.UnauthorizedClient, oauth.InvalidToken, fixed("The client is not known to have authenticated.")},
	{"token_unusable", oauth.InvalidRequest, oauth.InvalidToken, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("The presented token cannot be used (%s). It must be an access token of this server.", r.Value)
	}},
	{"client_unknown", oauth.UnauthorizedClient, oauth.InvalidToken, fixed("The client of this token is unknown.")},
	{"client_inactive", oauth.UnauthorizedClient, oauth.InvalidToken, func(t teller, r policies.Reason) string {
		return fmt.Sprintf("Client %s is %s. Its owner or an administrator can restore it.", t.name(r.ID), r.Value)
	}},
	{"client_expired", oauth.UnauthorizedClient, oauth.InvalidToken, func(t teller, r policies.Reason) string {
		return fmt.Sprintf("Client %s has expired. Its owner or an administrator can extend it.", t.name(r.ID))
	}},
	{"client_owner_inactive", oauth.UnauthorizedClient, oauth.InvalidToken, func(t teller, r policies.Reason) string {
		return fmt.Sprintf("Nobody active answers for client %s. An administrator can give it another owner.", t.name(r.ID))
	}},
	{"grant_type_not_allowed", oauth.UnauthorizedClient, oauth.InvalidToken, func(t teller, r policies.Reason) string {
		return fmt.Sprintf("Client %s may not use grant_type %s. An administrator can allow it.", t.name(r.ID), r.Value)
	}},
	{"token_unexpected", oauth.InvalidRequest, oauth.InvalidToken, fixed("This grant takes no token.")},
	{"redirect_unknown", oauth.InvalidRequest, oauth.InvalidToken, fixed("redirect_uri is none that the client has registered.")},
	{"pkce_required", oauth.InvalidRequest, oauth.InvalidToken, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("A code_challenge with code_challenge_method S256 is needed; it is %s.", r.Value)
	}},
	{"login_required", oauth.LoginRequired, oauth.InvalidToken, fixed("The user must sign in.")},
	{"acr_unmet", oauth.UnmetAuthentication, oauth.InvalidToken, fixed("The user cannot sign in in the way that acr_values asks for.")},
	{"object_foreign", oauth.AccessDenied, oauth.InvalidToken, fixed("This is no part of the person's own account.")},
	{"offers_exhausted", oauth.AccessDenied, oauth.InvalidToken, fixed("The person has offered agents too often today.")},
	{"sign_in_too_old", oauth.LoginRequired, oauth.InvalidToken, fixed("The person must sign in anew before they change this.")},
	{"second_factor_needed", oauth.UnmetAuthentication, oauth.InvalidToken, fixed("The person must sign in with a second factor or a passkey before they change this.")},
	{"scope_not_offered", oauth.AccessDenied, oauth.InsufficientScope, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("Scope %s is not offered, or not any more.", r.Scope)
	}},
	{"nothing_ticked", oauth.AccessDenied, oauth.InsufficientScope, fixed("Nothing was allowed.")},
	{"until_out_of_bounds", oauth.AccessDenied, oauth.InsufficientScope, fixed("The end that was chosen has passed, or is later than it may be.")},
	{"authorization_unusable", oauth.InvalidGrant, oauth.InvalidToken, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("The presented grant cannot be used (%s). It must be a code, a refresh token or an auth_req_id or device_code of this server, with its own grant_type.", r.Value)
	}},
	{"authorization_unexpected", oauth.ServerError, oauth.ServerError, fixed("The question to policy held a grant that this grant_type does not bring.")},
	{"user_unknown", oauth.UnknownUserID, oauth.InvalidToken, fixed("The hint names no user whom this client may ask.")},
	{"user_code_missing", oauth.MissingUserCode, oauth.InvalidToken, fixed("The user wants to be asked by those alone who know their code: send it as user_code.")},
	{"user_code_wrong", oauth.InvalidUserCode, oauth.InvalidToken, fixed("This is not the code that the user has chosen.")},
	{"user_unreachable", oauth.AccessDenied, oauth.InvalidToken, fixed("There is no way to bring the user word.")},
	{"reported_lately", oauth.AccessDenied, oauth.InvalidToken, fixed("The user reported this client. Its owner can talk to them.")},
	{"denied_lately", oauth.AccessDenied, oauth.InvalidToken, fixed("The user said no a short while ago, or several times. Ask later.")},
	{"approvals_waiting", oauth.AccessDenied, oauth.InvalidToken, fixed("Too much waits for the user's answer already. Ask once some of it is answered or over.")},
	{"asked_too_often", oauth.AccessDenied, oauth.InvalidToken, fixed("This client has asked the user too often within the hour. Ask later.")},
	{"approval_foreign", oauth.InvalidGrant, oauth.InvalidToken, fixed("No such request of this client is known, or not for this.")},
	{"approval_over", oauth.InvalidGrant, oauth.InvalidToken, fixed("This was answered already, or is over.")},
	{"approval_pushed", oauth.UnauthorizedClient, oauth.InvalidToken, fixed("What the user answers is pushed to this client; it is not handed out.")},
	{"approval_pending", oauth.AuthorizationPending, oauth.InvalidToken, fixed("The user has not answered yet.")},
	{"approval_expired", oauth.ExpiredToken, oauth.InvalidToken, fixed("The user did not answer in time.")},
	{"approval_used", oauth.InvalidGrant, oauth.InvalidToken, fixed("A token was issued for what was approved, and one is all there is. Ask again.")},
	{"approver_gone", oauth.InvalidGrant, oauth.InvalidToken, fixed("Whoever approved this may not approve it any more. Ask somebody who may.")},
	{"approval_exceeded", oauth.InvalidGrant, oauth.InvalidToken, func(_ teller, r policies.Reason) string {
		if r.Scope == "" {
			return "The authorization details are not those that were approved. Ask for those, or ask again."
		}
		return fmt.Sprintf("Scope %s was not approved for this. Ask for what was, or ask again.", r.Scope)
	}},
	{"approval_denied", oauth.AccessDenied, oauth.InvalidToken, fixed("The user said no.")},
	{"authorization_foreign", oauth.InvalidGrant, oauth.InvalidToken, fixed("The presented grant was given to another client.")},
	{"authorization_used", oauth.InvalidGrant, oauth.InvalidToken, fixed("The presented grant has been used before. What was issued from it has been revoked.")},
	{"authorization_expired", oauth.InvalidGrant, oauth.InvalidToken, fixed("The presented grant has expired.")},
	{"authorization_ended", oauth.InvalidGrant, oauth.InvalidToken, fixed("What the user granted has ended or was taken back.")},
	{"redirect_mismatch", oauth.InvalidGrant, oauth.InvalidToken, fixed("redirect_uri is not the one of the authorization request.")},
	{"pkce_failed", oauth.InvalidGrant, oauth.InvalidToken, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("The code_verifier is %s.", r.Value)
	}},
	{"resource_not_authorized", oauth.InvalidTarget, oauth.InvalidToken, party("The user was not asked about resource server %s.")},
	{"nothing_left", oauth.InvalidGrant, oauth.InvalidToken, fixed("Nothing of what was allowed is held any more.")},
	{"token_expired", oauth.InvalidRequest, oauth.InvalidToken, fixed("The presented token has expired.")},
	{"token_early", oauth.InvalidRequest, oauth.InvalidToken, fixed("The presented token was issued in the future, by a clock that was ahead; its time has not come yet.")},
	{"token_revoked", oauth.InvalidRequest, oauth.InvalidToken, fixed("The presented token has been revoked.")},
	{"grant_ended", oauth.InvalidRequest, oauth.InvalidToken, fixed("The grant that the presented token hangs from has ended.")},
	{"token_audience_inactive", oauth.InvalidRequest, oauth.InvalidToken, fixed("The service the presented token is for is not active.")},
	{"audience_mismatch", oauth.InvalidRequest, oauth.InvalidToken, fixed("The token is for another audience.")},
	{"subject_unknown", oauth.InvalidRequest, oauth.InvalidToken, func(t teller, _ policies.Reason) string {
		return fmt.Sprintf("The subject of the presented %s is unknown.", t.what)
	}},
	{"subject_inactive", oauth.InvalidRequest, oauth.InvalidToken, ofPresented("The subject of the presented %s, %s, is not active.")},
	{"subject_expired", oauth.InvalidRequest, oauth.InvalidToken, ofPresented("The subject of the presented %s, %s, has expired.")},
	{"subject_not_user", oauth.InvalidRequest, oauth.InvalidToken, fixed("The token speaks for no user, so there is nobody to tell of.")},
	{"subject_owner_inactive", oauth.InvalidRequest, oauth.InvalidToken, party("Nobody active answers for %s, the subject of the presented token.")},
	{"chain_unknown", oauth.InvalidRequest, oauth.InvalidToken, fixed("The chain of the presented token is unknown.")},
	{"actor_unknown", oauth.InvalidRequest, oauth.InvalidToken, party("Actor %s in the token's chain is unknown.")},
	{"actor_inactive", oauth.InvalidRequest, oauth.InvalidToken, party("Actor %s in the token's chain is not active.")},
	{"actor_expired", oauth.InvalidRequest, oauth.InvalidToken, party("Actor %s in the token's chain has expired.")},
	{"actor_owner_inactive", oauth.InvalidRequest, oauth.InvalidToken, party("Nobody active answers for actor %s in the token's chain.")},
	{"not_entitled", oauth.InvalidRequest, oauth.InvalidToken, party("Client %s neither holds the subject token nor is the service it was sent to.")},
	{"token_not_own", oauth.InvalidRequest, oauth.InvalidToken, fixed("The token was issued to another client.")},
	{"own_only", oauth.AccessDenied, oauth.InsufficientScope, fixed("Only a token that the client got for itself alone may do this.")},
	{"leak_over", oauth.InvalidRequest, oauth.InvalidToken, fixed("What was found opens nothing any more.")},
	{"actor_token_foreign", oauth.InvalidRequest, oauth.InvalidToken, fixed("The actor token is not a live token of the client's own. The actor is always the authenticated client; leave actor_token out.")},
	{"chain_circular", oauth.InvalidRequest, oauth.InvalidToken, party("%s is in the token's chain already; no agent appears twice.")},
	{"chain_too_deep", oauth.InvalidRequest, oauth.InvalidToken, func(t teller, r policies.Reason) string {
		return fmt.Sprintf("The chain would have %s actors, more than %s accepts. An administrator can change its limit.", r.Value, t.name(r.ID))
	}},
	{"resource_several", oauth.InvalidTarget, oauth.InvalidToken, fixed("A token is for one resource server; name one.")},
	{"resource_unknown", oauth.InvalidTarget, oauth.InvalidToken, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("No resource server is registered as %s. An administrator can register it.", r.Value)
	}},
	{"resource_required", oauth.InvalidTarget, oauth.InvalidToken, fixed("Name the resource server the token is for: none of those the client has scopes at fits the request alone.")},
	{"resource_ambiguous", oauth.InvalidTarget, oauth.InvalidToken, fixed("Several resource servers fit the request; name one with the resource parameter.")},
	{"resource_inactive", oauth.InvalidTarget, oauth.InvalidToken, party("Resource server %s is not active. An administrator can restore it.")},
	{"scope_required", oauth.InvalidScope, oauth.InvalidToken, fixed("No scope was requested and the client has no default there.")},
	{"scope_unknown", oauth.InvalidScope, oauth.InvalidToken, func(t teller, r policies.Reason) string {
		return fmt.Sprintf("%s defines no scope %s.", t.name(r.ID), r.Scope)
	}},
	{"details_type_unknown", oauth.InvalidAuthorizationDetails, oauth.InvalidToken, func(t teller, r policies.Reason) string {
		return fmt.Sprintf("%s knows no authorization details of type %s.", t.name(r.ID), r.Value)
	}},
	{"details_not_covered", oauth.InvalidAuthorizationDetails, oauth.InvalidToken, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("Authorization details of type %s are more than the %s has.", r.Value, r.Party)
	}},
	{"details_scope_missing", oauth.InvalidAuthorizationDetails, oauth.InvalidToken, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("Authorization details are asked for that are held through scope %s, which is not granted.", r.Scope)
	}},
	{"details_removed", oauth.InvalidAuthorizationDetails, oauth.InvalidToken, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("House policy removes authorization details of type %s.", r.Value)
	}},
	{"details_not_offered", oauth.AccessDenied, oauth.InsufficientScope, fixed("These authorization details are not offered, or not any more.")},
	{"details_missing", oauth.InvalidScope, oauth.InsufficientScope, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("Scope %s is not granted without any of the authorization details that go with it.", r.Scope)
	}},
	{"nothing_to_offer", oauth.AccessDenied, oauth.InsufficientScope, fixed("Client and user together hold nothing of what is asked for.")},
	{"insufficient_scope", oauth.InsufficientScope, oauth.InsufficientScope, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("The token lacks scope %s.", r.Scope)
	}},
	{"operates_nothing", oauth.UnauthorizedClient, oauth.InvalidToken, func(t teller, r policies.Reason) string {
		return fmt.Sprintf("Client %s operates no resource server, so no event concerns it. An administrator can make it the operator of one.", t.name(r.ID))
	}},
	{"authority_exceeded", oauth.InvalidScope, oauth.InsufficientScope, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("The change would give or need scope %s of Deputy's own API, which the token does not carry.", r.Scope)
	}},
	{"authority_unknown", oauth.ServerError, oauth.ServerError, fixed("What authority the change would confer was not told.")},
	{"renewal_unknown", oauth.ServerError, oauth.ServerError, fixed("What is renewed was not told.")},
	{"overlap_out_of_bounds", oauth.AccessDenied, oauth.InsufficientScope, fixed("The overlap must be an hour at least, so that nobody is shut out who has the old secret, too, and 30 days at most.")},
	{"scope_not_held", oauth.InvalidScope, oauth.InsufficientScope, func(t teller, r policies.Reason) string {
		return fmt.Sprintf("%s %s does not hold scope %s. An administrator can assign a role that has it.", title(r.Party), t.name(r.ID), r.Scope)
	}},
	{"scope_not_consented", oauth.InvalidScope, oauth.InsufficientScope, func(t teller, r policies.Reason) string {
		return fmt.Sprintf("%s has not consented to scope %s.", t.name(r.ID), r.Scope)
	}},
	{"scope_not_authorized", oauth.InvalidScope, oauth.InsufficientScope, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("The user did not grant scope %s in this authorization.", r.Scope)
	}},
	{"scope_not_in_parent", oauth.InvalidScope, oauth.InsufficientScope, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("The subject token does not reach scope %s; no exchange widens a token.", r.Scope)
	}},
	{"scope_removed", oauth.InvalidScope, oauth.InsufficientScope, func(_ teller, r policies.Reason) string {
		return fmt.Sprintf("House policy removes scope %s.", r.Scope)
	}},
	{"consent_required", oauth.AccessDenied, oauth.InsufficientScope, func(_ teller, r policies.Reason) string {
		if r.Party == "house" {
			return "House policy asks for the user's consent, and there is none."
		}
		return "The user must be asked."
	}},
	{"approval_required", oauth.AccessDenied, oauth.InsufficientScope, func(t teller, r policies.Reason) string {
		if r.Party == "house" && t.ask != "" {
			return "House policy asks for a person's approval of this request. " + t.ask
		}
		if r.Party == "house" {
			return "House policy asks for a person's approval of this request, which this grant does not bring. A grant in which a person is asked (CIBA) does."
		}
		if r.Scope == "" {
			return fmt.Sprintf("Authorization details of type %s are of high risk, which a person approves each time; nobody approved them for this. Ask them anew.", r.Value)
		}
		return fmt.Sprintf("Scope %s is one of high risk, which a person approves each time; nobody approved it for this. Ask them anew.", r.Scope)
	}},
	{"step_up_required", oauth.AccessDenied, oauth.InsufficientScope, fixed("House policy asks a person to sign in anew, which this grant cannot bring.")},
	{"lifetime_unknown", oauth.InvalidRequest, oauth.InvalidToken, fixed("No lifetime can be given to the token.")},
	{"lifetime_exhausted", oauth.InvalidRequest, oauth.InvalidToken, fixed("Something the token hangs from ends now.")},
	{"caller_not_operator", oauth.InvalidTarget, oauth.InvalidToken, fixed("The client operates no such resource server.")},
	{"subject_mismatch", oauth.InvalidRequest, oauth.InvalidToken, party("The subject is not the one that was named, %s, or of another type.")},
	{"actors_mismatch", oauth.InvalidRequest, oauth.InvalidToken, fixed("The actors are not those of the token.")},
	{"caller_not_audience", oauth.InvalidRequest, oauth.InvalidToken, fixed("The token is for another service.")},
}

// house is how a reason that only house policy knows is told.
var house = answer{"", oauth.AccessDenied, oauth.InsufficientScope, func(_ teller, r policies.Reason) string {
	if r.Scope != "" {
		return fmt.Sprintf("House policy removes scope %s (%s).", r.Scope, r.Code)
	}
	return fmt.Sprintf("House policy refuses: %s.", r.Code)
}}

func fixed(s string) func(teller, policies.Reason) string {
	return func(teller, policies.Reason) string { return s }
}

func party(format string) func(teller, policies.Reason) string {
	return func(t teller, r policies.Reason) string { return fmt.Sprintf(format, t.name(r.ID)) }
}

// ofPresented is party, about what was presented.
func ofPresented(format string) func(teller, policies.Reason) string {
	return func(t teller, r policies.Reason) string { return fmt.Sprintf(format, t.what, t.name(r.ID)) }
}

func title(party string) string {
	if party == "" {
		return "Party"
	}
	return strings.ToUpper(party[:1]) + party[1:]
}

// teller knows names for the ids of a request's own parties, and of no others.
type teller struct {
	names map[string]string
	what  string // was presented: a token or a grant
	ask   string // how a machine gets a person's approval, "" if none asks
}

func newTeller(in policies.Input) teller {
	t := teller{names: map[string]string{}, what: "token", ask: howToAsk(in)}
	switch {
	case personal(in):
		t.what = "grant"
	case policies.Kind(in.Action) == policies.KindAuthorize:
		t.what = "session"
	case policies.Kind(in.Action) == policies.KindAccess && in.Token == nil:
		t.what = "question"
	}
	for _, p := range append([]*policies.Fact[policies.Principal]{in.Client, in.Subject}, in.Chain...) {
		if p != nil {
			t.names[p.Value.ID] = p.Value.Name
		}
	}
	for _, r := range in.Resources {
		if r != nil {
			t.names[r.Value.ID] = r.Value.Name
		}
	}
	return t
}

// knowing is a teller to somebody who may know these names.
func (t teller) knowing(names map[string]string) teller {
	t.names = names
	return t
}

func (t teller) name(id string) string {
	switch name := t.names[id]; {
	case name != "":
		return name
	case id != "":
		return id
	default:
		return "unknown"
	}
}

// maxTold bounds how many sentences one description holds.
const maxTold = 8

// decisive reasons stand alone: whoever has no part in a token learns nothing
// else of it.
var decisive = append(slices.Clone(conclusive), "user_unknown", "approval_foreign", "approval_pushed", "approval_pending", "approval_expired", "approval_denied", "approval_over", "approval_used", "not_entitled", "authorization_foreign", "caller_not_operator", "audience_mismatch", "caller_not_audience", "token_not_own")

// conclusive reasons leave nothing to judge by. Of a token that could not be read
// nothing is known, and saying so eight times helps nobody.
var conclusive = []string{
	policies.CodePolicyError, policies.CodeSeatBelt, "version_unknown", "action_unknown", "operation_unknown", "token_unusable", "authorization_unusable",
}

// worthTelling leaves out what is not told beside a decisive reason.
func worthTelling(reasons []policies.Reason) []policies.Reason {
	for _, code := range decisive {
		for _, r := range reasons {
			if r.Code == code {
				return []policies.Reason{r}
			}
		}
	}
	return reasons
}

// refusal tells a refusing decision as an OAuth error.
func refusal(in policies.Input, d policies.Decision, decisionID string) *oauth.Error {
	reasons := worthTelling(d.Reasons)
	first, rank := house, len(answers)+1
	for _, r := range reasons {
		if a, at := find(r); at < rank {
			first, rank = a, at
		}
	}
	t := newTeller(in)
	code := codes(in)
	var told []string
	for _, r := range reasons {
		if a, _ := find(r); code(a) == code(first) && len(told) < maxTold {
			if sentence := a.say(t, r); !slices.Contains(told, sentence) {
				told = append(told, sentence)
			}
		}
	}
	e := oauth.Errorf(code(first), "%s", strings.Join(told, " "))
	e.DecisionID, e.Reason = decisionID, first.reason
	var lacking []string
	for _, r := range reasons {
		if r.Code == "insufficient_scope" || r.Code == "authority_exceeded" {
			lacking = append(lacking, r.Scope)
		}
	}
	e.Scope = strings.Join(lacking, " ")
	return e
}

// codes tells the code of an answer where a request was made. What is wrong with
// what a person granted is an invalid grant (RFC 6749 section 5.2), by which a client
// knows that asking the person again is what helps.
func codes(in policies.Input) func(answer) string {
	return func(a answer) string {
		switch {
		case policies.Kind(in.Action) == policies.KindAdmin, in.Action == policies.Userinfo:
			return a.bearer
		case policies.Kind(in.Action) == policies.KindAuthorize && a.reason == "consent_required":
			return oauth.ConsentRequired
		case policies.Kind(in.Action) == policies.KindAuthorize && strings.HasPrefix(a.reason, "subject_"):
			return oauth.AccessDenied // nothing is wrong with what the client asks
		case personal(in) && a.code == oauth.InvalidRequest:
			return oauth.InvalidGrant
		default:
			return a.code
		}
	}
}

// personal tells the grants that a person gave.
func personal(in policies.Input) bool {
	return in.Action == policies.IssueAuthorizationCode || in.Action == policies.IssueRefreshToken || in.Action == policies.IssueCIBA || in.Action == policies.IssueDevice
}

// find returns the answer to a reason and its rank.
func find(r policies.Reason) (answer, int) {
	for i, a := range answers {
		if a.reason == r.Code {
			return a, i
		}
	}
	if r.Scope != "" {
		a := house
		a.code = oauth.InvalidScope
		return a, len(answers)
	}
	return house, len(answers)
}

// isRefusal tells a refusal by policy from a failure to come to a decision.
func isRefusal(err error) bool {
	var problem *oauth.Error
	if !errors.As(err, &problem) {
		return false
	}
	switch problem.Code {
	case oauth.ServerError, oauth.TemporarilyUnavailable, oauth.InvalidClient:
		return false
	}
	return true
}
