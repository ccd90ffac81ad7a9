# METADATA
# title: Facts an issue decision cannot do without
# description: >-
#   Each fact in turn is taken out, or replaced by something of another type. It
#   must refuse, unless it is listed here as one that a question may lack.
# scope: package
package floor.issue_facts_test

import rego.v2

import data.floor.fixtures
import data.floor.issue

_optional := {
	# A request may name no resource server, if only one can be meant.
	"request/resources/*",
	# For people to read.
	"client/name", "subject/name", "chain/*/name", "resources/*/name",
	# Of house policy, which asks for the labels it minds.
	"client/labels", "subject/labels", "chain/*/labels",
	# Only what the owner is worth counts, not who it is.
	"client/owner/id", "subject/owner/id", "chain/*/owner/id",
	# Asked of a client when it is the one that asks; and of nobody, if scopes are named.
	"client/defaults", "subject/defaults", "chain/*/defaults",
	"subject/grant_types", "chain/*/grant_types", "subject/max_ttl", "chain/*/max_ttl",
	# Asked once a token for this server is presented.
	"resources/*/operator",
	# For the record. A token's reach says what its own scopes say, and more.
	"parent/aud/id", "parent/grant/id", "parent/txn", "parent/own", "consent/id",
	# What counts for one request is asked only where something risky is.
	"consent/approval",
	# How the user signed in goes into the token as it is.
	"authorization/auth_time", "authorization/acr", "authorization/amr",
}

# Nobody stands before an agent that asks for itself.
_optional_alone := _optional | {"chain"}

# A holder need not be the one its token was sent to, and a user has no owner.
_optional_held := _optional | {"parent/aud/operator", "subject/owner", "consent/resource", "consent/scopes"}

# First hand a consent says what it says, wherever that may lead; a chain begins; and
# whoever names no scope asks for all that was granted.
_optional_first := _optional | {"subject/owner", "consent/reach", "chain", "request/scopes/*"}

# What is refreshed began in whatever way.
_optional_again := _optional_first | {"authorization/kind"}

# Whoever reads of it is told until when it waited; how they signed in was asked then.
_optional_approved := (_optional_first - {"consent/approval"}) | {"approval/subject", "approval/acr_values", "approval/created_at", "approval/expires_at"}

# What a machine was allowed it names by its secret; whether it says that it does is the
# same. Who let it matters where they are the one who is spoken for.
_optional_machine := {
	"request/approval", "approval/id", "approval/acr_values", "approval/created_at", "approval/expires_at",
}

_optional_pleaded := (_optional_alone | _optional_machine) | {"approval/subject"}

_optional_sent := (_optional_held | _optional_machine) | {"approval/approver/known"}

# What is held is held through something; what that is called is provenance.
_provenance := {
	"client/scopes/rsv_sales/sales:read/*", "subject/scopes/rsv_sales/sales:read/*",
	"chain/*/scopes/rsv_sales/sales:read/*", "parent/scopes/rsv_sales/sales:read/*", "consent/reach/rsv_sales/sales:read/*",
	"authorization/scopes/rsv_sales/sales:read/*",
}

test_client_credentials_need_every_fact if _every_fact_counts(fixtures.credentials, _optional_alone)

test_relay_needs_every_fact if _every_fact_counts(fixtures.relay, _optional)

test_assistant_needs_every_fact if _every_fact_counts(fixtures.assist, _optional_held)

test_code_needs_every_fact if _every_fact_counts(fixtures.code, _optional_first)

test_refresh_needs_every_fact if _every_fact_counts(fixtures.refresh, _optional_again)

test_code_needs_no_listed_fact if _no_listed_fact_counts(fixtures.code, _optional_first)

test_refresh_needs_no_listed_fact if _no_listed_fact_counts(fixtures.refresh, _optional_again)

test_code_needs_facts_of_their_types if _every_type_counts(fixtures.code, _optional_first)

test_refresh_needs_facts_of_their_types if _every_type_counts(fixtures.refresh, _optional_again)

test_approved_needs_every_fact if _every_fact_counts(fixtures.approved, _optional_approved)

test_approved_needs_no_listed_fact if _no_listed_fact_counts(fixtures.approved, _optional_approved)

test_approved_needs_facts_of_their_types if _every_type_counts(fixtures.approved, _optional_approved)

test_pleaded_needs_every_fact if _every_fact_counts(fixtures.pleaded, _optional_pleaded)

test_sent_needs_every_fact if _every_fact_counts(fixtures.sent, _optional_sent)

test_pleaded_needs_facts_of_their_types if _every_type_counts(fixtures.pleaded, _optional_pleaded)

test_sent_needs_facts_of_their_types if _every_type_counts(fixtures.sent, _optional_sent)

test_client_credentials_need_no_listed_fact if _no_listed_fact_counts(fixtures.credentials, _optional_alone)

test_relay_needs_no_listed_fact if _no_listed_fact_counts(fixtures.relay, _optional)

test_assistant_needs_no_listed_fact if _no_listed_fact_counts(fixtures.assist, _optional_held)

test_client_credentials_need_facts_of_their_types if _every_type_counts(fixtures.credentials, _optional_alone)

test_relay_needs_facts_of_their_types if _every_type_counts(fixtures.relay, _optional)

test_assistant_needs_facts_of_their_types if _every_type_counts(fixtures.assist, _optional_held)

_every_fact_counts(question, optional) if {
	every fact in fixtures.facts(question, optional) {
		not issue.decision.allow with input as fixtures.without(question, fact)
	}
}

_no_listed_fact_counts(question, optional) if {
	every fact in fixtures.facts(question, set()) - fixtures.facts(question, optional) {
		issue.decision.allow with input as fixtures.without(question, fact)
	}
}

# Null and {} are the least and the greatest JSON values, to Rego's comparisons.
_every_type_counts(question, optional) if {
	every fact in fixtures.facts(question, optional | _provenance) {
		every value in [null, {}] {
			not issue.decision.allow with input as fixtures.but(question, fact, value)
		}
	}
}
