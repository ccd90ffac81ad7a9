# METADATA
# title: Authorize
# description: >-
#   May this client ask this user at all, must the user sign in or be asked, and about
#   what? And, when they have answered (action consent): is what they allow something
#   that is offered now, for no longer than it may last? The same is asked of a client
#   whose user is elsewhere (actions approval:ask, approval:show, approval:answer).
# scope: package
# schemas:
#   - input: schema.input
package floor.authorize

import rego.v2

import data.floor.approval
import data.floor.machine
import data.floor.offer
import data.floor.standing

# METADATA
# entrypoint: true
decision := {
	"allow": count(reasons) == 0,
	"reasons": reasons,
	"ask": ask,
	"sign_in": sign_in,
	"offers": offer.offers,
	"grants": grants,
	"detail_offers": offer.detail_offers,
	"detail_grants": detail_grants,
	"until": _until,
	"scopes": offer.names,
	"silent": _silent,
	"answers": _answers,
	"now": _now,
	"away": _away,
	"once": once,
}

# METADATA
# description: What is to happen next. Only where nothing is asked may a code be made.
ask := "sign_in" if {
	count(sign_in) > 0
} else := "nothing" if {
	_answers
} else := "consent" if {
	_to_be_asked
} else := "nothing"

# METADATA
# scope: document
# description: Why the user must sign in, or sign in anew.
sign_in contains why if {
	not _asking
	some why in _reasons_to_sign_in
}

_reasons_to_sign_in contains "nobody" if not is_number(input.session.auth_time)

_reasons_to_sign_in contains "nobody" if not input.subject

_reasons_to_sign_in contains "prompt" if {
	some p in input.request.visit.prompt
	p in {"login", "select_account"}
	not _anew
}

_reasons_to_sign_in contains "max_age" if {
	is_number(input.request.visit.max_age)
	not input.session.auth_time >= standing.now - input.request.visit.max_age
	not _anew
}

_reasons_to_sign_in contains "acr" if {
	_acr_missing
	not _anew
}

_reasons_to_sign_in contains "subject" if {
	_another
	not _anew
}

# Whoever lets through what is risky has just shown who they are.
_reasons_to_sign_in contains "risk" if {
	_risky
	not _fresh
	not _anew
}

# METADATA
# scope: document
# description: What the client gets, as pairs of resource server and scope.
grants contains g if {
	some g in _allowed
	_done_with(g)
}

# METADATA
# scope: document
# description: Authorization details that the client gets, with the scopes through which they are held.
detail_grants contains d if {
	some d in _allowed_details
	{"resource": d.resource, "scope": _scope_of(d)} in _allowed
}

_allowed contains {"resource": o.resource, "scope": o.scope} if {
	not _answers
	some o in offer.offers
	o.state == "granted"
}

_allowed contains {"resource": t.resource, "scope": t.scope} if {
	_answers
	some t in input.request.answer.scopes
}

# METADATA
# scope: document
# description: >-
#   Servers of which what is granted counts for this request alone, because something
#   of it is risky. What is allowed elsewhere counts for nothing else anyway.
once contains o.resource if {
	some o in offer.offers
	o.risk == "high"
	{"resource": o.resource, "scope": o.scope} in grants
}

once contains o.resource if {
	some o in offer.detail_offers
	o.risk == "high"
	{"resource": o.resource, "index": o.index} in detail_grants
}

_allowed_details contains {"resource": o.resource, "index": o.index} if {
	not _answers
	some o in offer.detail_offers
	o.state == "granted"
}

_allowed_details contains {"resource": t.resource, "index": t.index} if {
	_answers
	some t in input.request.answer.details
}

# A scope through which details are asked for is worth nothing without one of them.
_done_with(g) if not [g.resource, g.scope] in offer.through

_done_with(g) if {
	some d in _allowed_details
	d.resource == g.resource
	_scope_of(d) == g.scope
}

_scope_of(d) := o.scope if {
	some o in offer.detail_offers
	object.subset(o, {"resource": d.resource, "index": d.index})
}

reasons contains r if some r in offer.reasons

reasons contains r if some r in standing.reasons

reasons contains r if {
	standing.away
	some r in approval.reasons
}

reasons contains r if {
	standing.machine
	some r in machine.reasons
}

# METADATA
# custom: {lacks: grant_type, who: [owner, clients:write], remedy: Allow the client this grant type.}
reasons contains {"code": "grant_type_not_allowed", "party": "client", "id": standing.client_id, "value": type} if {
	type := _grant_type
	not type in input.client.grant_types
}

# METADATA
# description: Nobody is sent anywhere that was not registered.
# custom: {lacks: redirect, who: [requester, clients:write], remedy: "Send a redirect_uri that is registered, as it is."}
reasons contains {"code": "redirect_unknown", "party": "client", "id": standing.client_id} if {
	not standing.away
	not input.request.visit.redirect_ok == true
}

# METADATA
# custom: {lacks: request, who: [requester], remedy: Send a code_challenge with code_challenge_method S256.}
reasons contains {"code": "pkce_required", "party": "client", "id": standing.client_id, "value": seen} if {
	not standing.away
	not input.request.visit.pkce == "ok"
	seen := object.get(input, ["request", "visit", "pkce"], "missing")
}

# METADATA
# custom: {lacks: approval, who: [subject], remedy: Sign in in the way that is asked for.}
reasons contains {"code": "acr_unmet", "party": "subject", "id": standing.subject_id} if {
	_acr_missing
	_anew
}

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign], remedy: Assign client and user roles with the scopes.}
reasons contains {"code": "nothing_to_offer", "party": "subject", "id": standing.subject_id} if {
	count(sign_in) == 0
	count(offer.names) == 0
	input.subject # who types the code of a device is known later
}

# METADATA
# custom: {lacks: session, who: [subject], remedy: Let the user sign in.}
reasons contains {"code": "login_required", "party": "subject"} if {
	_silent
	ask == "sign_in"
}

# METADATA
# description: Whoever signed in for this is not whom the client means.
# custom: {lacks: session, who: [subject], remedy: Let the user sign in whom the client means.}
reasons contains {"code": "login_required", "party": "subject"} if {
	_another
	_anew
}

# METADATA
# description: Whoever answers is who was asked.
# custom: {lacks: session, who: [subject], remedy: Let the user sign in.}
reasons contains {"code": "login_required", "party": "subject"} if {
	_answers
	ask == "sign_in"
}

# METADATA
# custom: {lacks: consent, who: [subject], remedy: Let the user be asked.}
reasons contains {"code": "consent_required", "party": "subject", "id": standing.subject_id} if {
	_silent
	ask == "consent"
}

# METADATA
# description: What was granted before is offered, too.
# custom: {lacks: scope, who: [subject], remedy: Answer the page as it is now.}
reasons contains {"code": "scope_not_offered", "party": "subject", "id": g.resource, "scope": g.scope} if {
	some g in grants
	not g in _offered
}

# METADATA
# description: Nor is anything allowed that was not among the details on the page.
# custom: {lacks: details, who: [subject], remedy: Answer the page as it is now.}
reasons contains {"code": "details_not_offered", "party": "subject", "id": d.resource} if {
	some d in _allowed_details
	not d in _offered_details
}

# METADATA
# custom: {lacks: consent, who: [subject], remedy: Allow something of what is asked for.}
reasons contains {"code": "nothing_ticked", "party": "subject", "id": standing.subject_id} if {
	_answers
	count(grants) == 0
}

# METADATA
# custom: {lacks: term, who: [subject], remedy: Choose an earlier end that is still to come.}
reasons contains {"code": "until_out_of_bounds", "party": "subject", "id": standing.subject_id} if {
	_answers
	not _in_bounds
}

# METADATA
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "action_unknown", "value": name} if {
	not standing.visiting
	name := object.get(input, ["action", "name"], "")
}

_offered contains {"resource": o.resource, "scope": o.scope} if {
	some o in offer.offers
	o.state in {"granted", "offered"}
}

_offered_details contains {"resource": o.resource, "index": o.index} if {
	some o in offer.detail_offers
	o.state in {"granted", "offered"}
}

_to_be_asked if "consent" in input.request.visit.prompt

_to_be_asked if {
	some o in offer.offers
	o.state == "offered"
}

_to_be_asked if {
	some o in offer.detail_offers
	o.state == "offered"
}

_in_bounds if {
	standing.unexpired(input.request.answer.until)
	input.request.answer.until <= offer.until
}

# The user signed in after the client had asked for it.
_anew if input.session.auth_time >= input.request.visit.began

# Who is asked elsewhere may have signed in within the same second, before that.
_anew if input.session.auth_time > input.approval.created_at

# How long ago that may be, in seconds, for what is risky, and how long it lasts.
fresh := 300

short := 3600

_fresh if input.session.auth_time >= standing.now - fresh

_risky if _ticked_risk

_risky if {
	not standing.away
	not _answers
	some o in (offer.offers | offer.detail_offers)
	o.risk == "high"
	o.state == "offered"
}

_ticked_risk if {
	_answers
	count(once) > 0
}

_asking if input.action.name == "approval:ask"

_grant_type := "urn:ietf:params:oauth:grant-type:device_code" if {
	input.approval.kind == "device"
} else := object.get(input, ["approval", "grant_type"], "") if {
	standing.machine
} else := "urn:openid:params:grant-type:ciba" if {
	standing.away
} else := "authorization_code"

default _away := false

_away if standing.away

_acr_missing if {
	some _ in input.request.visit.acr_values
	not input.session.acr in input.request.visit.acr_values
}

_acr_missing if {
	some _ in input.approval.acr_values
	not input.session.acr in input.approval.acr_values
}

# A client that names somebody is answered for nobody else (OpenID Connect Core section 3.1.2.1).
_another if {
	hinted := input.request.visit.subject
	not input.subject.id == hinted
}

default _answers := false

_answers if input.action.name in {"consent", "approval:answer"}

default _silent := false

_silent if "none" in input.request.visit.prompt

default _until := 0

_until := offer.until if not _answers

_until := min(_chosen) if {
	_answers
	is_number(input.request.answer.until)
}

_chosen contains input.request.answer.until

_chosen contains standing.now + short if _ticked_risk

default _now := 0

_now := standing.now
