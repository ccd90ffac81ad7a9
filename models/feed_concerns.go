package models

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// standsThen are tokens that lived when an entry was written: whenever that is asked,
// it has the same answer. What is younger than the entry was not there; ids say by
// their order how old they are.
const standsThen = `(t.revoked_at = 0 or t.revoked_at >= @now) and t.expires_at > @now and substr(t.id, 5) < @before`

// held are the tokens that a client held then, and all that anybody exchanged from
// them. The ledger's entries name them, as in hanging.
const held = `with recursive stretches(n) as (
	select cast(@first as bigint) union all select n + 1 from stretches where n < @last
), held(id) as (
	select t.id from stretches cross join ledger l cross join tokens t
	where (l.seq / 256) = +stretches.n and l.client_id = @client and l.kind = 'decision' and l.outcome = 'granted'
		and t.id = l.token_id and t.client_id = @client and ` + standsThen + `
	union
	select t.id from held cross join tokens t where t.parent_id = held.id and t.parent_id <> '' and ` + standsThen + `
)`

// agreedThen are consents that were live then.
const agreedThen = `created_at <= @now and expires_at > @now and (revoked_at = 0 or revoked_at >= @now)`

// then is what these questions are asked with.
func (n *narrator) then(more map[string]any) (map[string]any, error) {
	bound := map[string]any{"now": n.now(), "before": n.entry.ID[len(PrefixChange)+1:], "last": n.entry.Seq / stretch}
	maps.Copy(bound, more)
	var old int64
	oldest := n.entry.At - int64(longestLife/time.Millisecond)
	err := n.db.Raw("select size from ledger_heads where at < ? order by size desc limit 1", oldest).Scan(&old).Error
	bound["first"] = old / stretch
	return bound, err
}

func (n *narrator) ask(query string, more map[string]any) ([]Concerned, error) {
	bound, err := n.then(more)
	if err != nil {
		return nil, err
	}
	var ids []string
	if err := n.db.Raw(query, bound).Scan(&ids).Error; err != nil {
		return nil, err
	}
	slices.Sort(ids)
	var out []Concerned
	for _, id := range slices.Compact(ids) {
		out = append(out, Concerned{ID: id})
	}
	return out, nil
}

// ofClient are the services to which a client means something: tokens for them that it
// held or stands in the chain of, and consents.
func (n *narrator) ofClient(id string) ([]Concerned, error) {
	return n.ask(held+` select distinct t.resource_id from held join tokens t on t.id = held.id
		union select resource_id from consents where client_id = @client and `+agreedThen, map[string]any{"client": id})
}

// ofUser are the services to which a user means something.
func (n *narrator) ofUser(id string) ([]Concerned, error) {
	return n.ask(`select distinct t.resource_id from tokens t where t.subject_id = @user and substr(t.subject_id, 1, 4) = 'usr_' and `+standsThen+`
		union select resource_id from consents where subject_id = @user and `+agreedThen, map[string]any{"user": id})
}

// underGrant are the services for which there are tokens that hang from a grant, or may be.
func (n *narrator) underGrant(e *Event) ([]Concerned, error) {
	if HasPrefix(e.SubjectID, PrefixUser) {
		return n.ask(`select distinct t.resource_id from tokens t
			where t.subject_id = @user and substr(t.subject_id, 1, 4) = 'usr_' and t.grant_id = @grant and `+standsThen+`
			union select resource_id from grant_consents where grant_id = @grant`, map[string]any{"user": e.SubjectID, "grant": e.GrantID})
	}
	return n.ask(held+` select distinct t.resource_id from held join tokens t on t.id = held.id where t.grant_id = @grant`,
		map[string]any{"client": e.ClientID, "grant": e.GrantID})
}

// identify adds by which identifiers services know themselves.
func (n *narrator) identify(events []Event) error {
	names := map[string]string{}
	for _, e := range events {
		for _, c := range e.Concerns {
			names[c.ID] = ""
		}
	}
	for ids := range slices.Chunk(slices.Collect(maps.Keys(names)), 500) {
		var rows []ResourceServer
		if err := n.db.Select("id", "identifier").Where("id in ?", ids).Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			names[r.ID] = r.Identifier
		}
	}
	for i := range events {
		for j, c := range events[i].Concerns {
			events[i].Concerns[j].Identifier = cmp.Or(names[c.ID], c.ID) // of one that is gone the id is left
		}
	}
	return nil
}
