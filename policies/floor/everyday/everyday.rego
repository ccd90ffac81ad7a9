# METADATA
# title: The everyday question
# description: >-
#   Nearly every question is one that nothing speaks against. These rules answer
#   such a question in its most usual form, without looking for reasons there are
#   none of. Whatever they do not hold for is answered by floor.issue.thorough,
#   which they may never contradict: a test compares the two over random worlds.
# scope: package
# schemas:
#   - input: schema.input
package floor.everyday

import rego.v2

# METADATA
# scope: document
# description: >-
#   What may be granted to a client that asks for itself, or for the agent whose
#   token it was handed. The counts say that the question holds what is looked at
#   here and nothing else. A token gets all it may have until an end is nearer than
#   that: then a client asks for itself no longer in an everyday way, and what is
#   handed on ends at the same moment, until which the answer holds.
answer := {
	"allow": true, "reasons": set(), "scopes": scopes, "resource": at.id, "audience": at.identifier, "index": 0,
	"ttl": ttl, "ends": 0, "valid_until": last, "subject": client.id,
	"chain": [], "consented": false, "removed": set(), "narrows": false, "refreshable": false, "id_token": {},
	"approved": false, "details": set(), "through": {},
} if {
	input.action.name == "issue:access_token:client_credentials"
	count(input) == 8
	input.chain == []
	client := _client
	at := _at
	"client_credentials" in client.grant_types
	held := client.scopes[at.id]
	is_array(input.request.scopes)
	scopes := {s | some s in input.request.scopes; at.scopes[s].risk in {"low", "medium", "high"}; held[s][0]}
	count(scopes) == count(input.request.scopes)
	scopes != set()
	end := min([client.expires_at, client.owner.expires_at])
	ttl := min([at.token_ttl, client.max_ttl])
	ttl >= 1
	last := end - ttl
	last >= input.now
}

answer := {
	"allow": true, "reasons": set(), "scopes": scopes, "resource": at.id, "audience": at.identifier, "index": 0,
	"ttl": ttl, "ends": ends, "valid_until": last, "subject": input.subject.id,
	"chain": chain, "consented": false, "removed": set(), "narrows": false, "refreshable": false, "id_token": {},
	"approved": false, "details": set(), "through": {},
} if {
	input.action.name == "issue:access_token:token_exchange"
	count(input) == 10
	not input.parent.details
	client := _client
	at := _at
	"urn:ietf:params:oauth:grant-type:token-exchange" in client.grant_types
	chain := _chain
	held := client.scopes[at.id]
	theirs := input.subject.scopes[at.id]
	reach := input.parent.scopes[at.id]
	is_array(input.request.scopes)
	scopes := {s |
		some s in input.request.scopes
		at.scopes[s].risk in {"low", "medium", "high"}
		held[s][0]
		theirs[s][0]
		reach[s][0]
	}
	count(scopes) == count(input.request.scopes)
	scopes != set()
	every actor in input.chain {
		reaches := actor.scopes[at.id]
		every s in scopes {
			reaches[s][0]
		}
	}
	end := min(array.concat(_ends, [input.parent.exp, input.parent.grant.expires_at]))
	limit := min([at.token_ttl, client.max_ttl])
	ttl := min([limit, end - input.now])
	ttl >= 1
	[ends, last] := {false: [0, end - limit], true: [end, end - 1]}[ttl < limit]
}

# METADATA
# description: >-
#   What a service sees of a token that is locked to it: the scopes its subject
#   still holds, if every actor holds them, too.
seen := {"allow": true, "reasons": set(), "scopes": scopes, "details": set(), "valid_until": end - 1} if {
	input.action.name == "introspect"
	count(input) == 10
	client := _client
	token := input.token
	_live(token)
	not token.details
	token.aud.operator == client.id
	theirs := input.subject.scopes[token.aud.id]
	is_array(token.own)
	scopes := {s | some s in token.own; theirs[s][0]}
	scopes != set()
	every actor in input.chain {
		reaches := actor.scopes[token.aud.id]
		every s in scopes {
			reaches[s][0]
		}
	}
	end := min(array.concat(_ends, [token.exp, token.grant.expires_at]))
	end > input.now
}

_client := input.client if {
	input.v == 1
	input.client.id != ""
	input.client.status == "active"
	input.client.owner.status == "active"
	input.client.kind in {"agent", "application"}
	input.credential.id != ""
	input.credential.method in {"client_secret_basic", "client_secret_post", "private_key_jwt"}
}

# Until when everybody who takes part may act, or is answered for.
_ends := array.concat(
	[
		input.client.expires_at, input.client.owner.expires_at,
		input.subject.expires_at, input.subject.owner.expires_at,
	],
	[end | some actor in input.chain; some end in [actor.expires_at, actor.owner.expires_at]],
)

_at := input.resources[0] if {
	count(input.resources) == 1
	count(input.request) == 3
	is_string(input.request.grant_type)
	input.request.resources == [input.resources[0].identifier]
	input.resources[0].status == "active"
	input.resources[0].max_depth >= 0
}

# The client joins a chain that it is not in yet.
_chain := chain if {
	_live(input.parent)
	_entitled
	chain := array.concat([input.client.id], input.parent.chain)
	count({id | some id in chain}) == count(chain)
	count(chain) <= input.resources[0].max_depth
	count(chain) <= 8
}

_entitled if input.parent.aud.operator == input.client.id

_entitled if input.parent.client == input.client.id

# A token that has begun and nobody took back, of parties who are all known and sound.
_live(token) if {
	is_string(token.jti)
	is_array(token.chain)
	is_number(token.iat)
	token.iat <= input.now + 60
	token.revoked == false
	token.grant.revoked == false
	token.aud.status == "active"
	token.subject == input.subject.id
	token.subject != ""
	input.subject.status == "active"
	input.subject.owner.status == "active"
	input.subject.kind in {"agent", "application"}
	token.client in array.concat([input.client.id, token.subject], token.chain)
	count(token.chain) == count(input.chain)
	every i, id in token.chain {
		input.chain[i].id == id
		input.chain[i].status == "active"
		input.chain[i].owner.status == "active"
		input.chain[i].kind in {"agent", "application"}
		is_number(input.chain[i].expires_at)
		is_number(input.chain[i].owner.expires_at)
	}
}
