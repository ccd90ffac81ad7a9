# METADATA
# title: Consent
# description: >-
#   What a user agreed to, for one client at one resource server. It counts while it
#   is live and while the client sends people back to where it did when they were
#   asked. What is exchanged from a user's token needs no consent of its own: it is
#   within what doing the consented scopes leads to.
# scope: package
# schemas:
#   - input: schema.input
package floor.consent

import rego.v2

import data.floor.standing

# METADATA
# scope: document
# description: Consent protects people. An agent's own authority needs none.
unneeded if standing.autonomous

unneeded if input.subject.kind in {"agent", "application"}

# METADATA
# scope: document
# description: Whether nothing is missing for the use of a scope.
agreed(_, _) if unneeded

agreed(server, scope) if covers(server, scope)

# METADATA
# scope: document
# description: >-
#   Whether the user's consent says so. First hand it must name the scope; what is
#   handed on must follow from a scope that it names.
covers(server, scope) if {
	live(input.consent)
	standing.personal
	input.consent.resource == server
	input.consent.scopes[scope] == true
}

covers(server, scope) if {
	live(input.consent)
	not standing.personal
	input.consent.reach[server][scope][0]
}

# METADATA
# scope: document
# description: >-
#   Whether the user was asked for this very request. That does not last: what is
#   refreshed later was not seen by anybody.
approved(server, scope) if {
	covers(server, scope)
	is_string(input.consent.approval)
	input.consent.approval != ""
	input.action.name != "issue:access_token:refresh_token"
}

# METADATA
# description: Whether a consent counts, whatever it is to.
live(agreement) if {
	agreement.revoked == false
	standing.unexpired(agreement.expires_at)
	agreement.redirects_ok == true
	agreement.subject == input.subject.id
	agreement.client == _asker
}

# Whom the user was asked about: the client that began, which stands last in a chain.
_asker := input.client.id if standing.personal

_asker := standing.presented.chain[count(standing.presented.chain) - 1] if {
	not standing.personal
	is_array(standing.presented.chain)
}
