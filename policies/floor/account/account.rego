# METADATA
# title: A person's own account
# description: >-
#   May a person change this of their account, in the session in which they are
#   signed in? It must be theirs. By what somebody signs in, where else they are
#   told what they are asked, and for which agents they answer, may change only soon
#   after they showed who they are.
#   House policy has no say: what a person takes back must always be possible.
# scope: package
# schemas:
#   - input: schema.input
package floor.account

import rego.v2

import data.floor.standing

# METADATA
# entrypoint: true
decision := {"allow": count(reasons) == 0, "reasons": reasons}

# METADATA
# description: What there is to change, and whether that takes a recent sign-in.
required := {
	"acceptAgent": "recent",
	"addPasskey": "recent",
	"addSecondFactor": "recent",
	"addSubscription": "recent",
	"changePassword": "recent",
	"chooseUserCode": "recent",
	"declineAgent": "any",
	"endSession": "any",
	"endSessions": "any",
	"linkIdentity": "recent",
	"offerAgent": "recent",
	"removePasskey": "recent",
	"removeSecondFactor": "recent",
	"removeSubscription": "any",
	"revokeAgent": "any",
	"revokeConsent": "any",
	"setWord": "any",
	"testWord": "any",
	"unlinkIdentity": "recent",
	"withdrawOffer": "any",
}

# METADATA
# description: For so many seconds a sign-in is recent.
recent := 900

# METADATA
# description: >-
#   So often a day somebody may offer agents of theirs to others. Every offer brings
#   somebody word that they did not ask for.
most_offers := 20

operation := trim_prefix(input.action.name, "account:") if startswith(input.action.name, "account:")

# METADATA
# description: A document of another version may mean other things by the same words.
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "version_unknown"} if not input.v == 1

# METADATA
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "operation_unknown", "value": name} if {
	not required[operation]
	name := object.get(input, ["action", "name"], "")
}

# METADATA
# custom: {lacks: identity, who: [subject], remedy: Sign in.}
reasons contains {"code": "subject_unknown", "party": "subject", "id": _id} if {
	not _person
}

# METADATA
# custom: {lacks: status, who: [users:suspend], remedy: Restore the user.}
reasons contains {"code": "subject_inactive", "party": "subject", "id": _id, "value": status} if {
	not input.subject.status == "active"
	status := object.get(input, ["subject", "status"], "unknown")
}

# METADATA
# custom: {lacks: term, who: [users:write], remedy: Give the user a later end.}
reasons contains {"code": "subject_expired", "party": "subject", "id": _id} if {
	not standing.unexpired(input.subject.expires_at)
}

# METADATA
# custom: {lacks: session, who: [subject], remedy: Sign in.}
reasons contains {"code": "login_required", "party": "subject", "id": _id} if {
	not is_number(input.session.auth_time)
}

# METADATA
# description: Nobody touches what is somebody else's, or nobody's.
# custom: {lacks: entitlement, who: [subject], remedy: Change what is your own.}
reasons contains {"code": "object_foreign", "party": "subject", "id": _id} if {
	not input.object.owner == input.subject.id
}

# METADATA
# description: Somebody who finds a browser open must not make it theirs for good.
# custom: {lacks: session, who: [subject], remedy: Sign in again.}
reasons contains {"code": "sign_in_too_old", "party": "subject", "id": _id} if {
	_weighty
	not input.session.auth_time > standing.now - recent
}

# METADATA
# description: >-
#   A password alone must not take away, or go around, what stands beside it, nor give
#   away or take on what somebody answers for.
# custom: {lacks: session, who: [subject], remedy: Sign in with a code or a passkey.}
reasons contains {"code": "second_factor_needed", "party": "subject", "id": _id} if {
	_weighty
	not input.object.second_factor == false
	not input.session.acr == "2"
}

# METADATA
# custom: {lacks: patience, who: [subject, clients:write], remedy: Offer it tomorrow.}
reasons contains {"code": "offers_exhausted", "party": "subject", "id": _id} if {
	operation == "offerAgent"
	not _few_offers
}

_few_offers if {
	is_number(input.object.offers)
	input.object.offers < most_offers
}

_weighty if required[operation] == "recent"

_person if {
	input.subject.kind == "user"
	_id != ""
}

default _id := ""

_id := input.subject.id if is_string(input.subject.id)
