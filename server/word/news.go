package word

import (
	"strings"

	"github.com/deputyauth/deputy/models"
)

// hookedNews is what a webhook gets of news besides.
type hookedNews struct {
	Thing      string `json:"thing"`              // id of what ends or ended
	ThingName  string `json:"thing_name"`         // what it is called, or its id
	ToldAs     string `json:"told_as"`            // owner, person, holder, former, offerer, administrator or operator
	Unanswered bool   `json:"unanswered"`         // nobody answers for the client
	EndedAt    int64  `json:"ended_at,omitempty"` // 0: it is still to end
	By         string `json:"answered_by,omitempty"`
}

// newsType is the type of what a webhook gets of news: credential.leaked, say.
func newsType(n Note) string { return strings.Replace(n.News.Kind, "_", ".", 1) }

func newsOf(n Note) *hookedNews {
	out := &hookedNews{Thing: n.News.Thing, ThingName: n.News.Name, ToldAs: n.News.As, By: n.News.By}
	out.Unanswered = n.News.As == models.ToldOperator || n.News.As == models.ToldAdministrator
	if n.EndsAt == 0 {
		out.EndedAt = n.News.At
	}
	return out
}

func userOf(u *models.User) *hookedUser {
	if u == nil {
		return nil
	}
	return &hookedUser{u.ID, u.Username, u.Name, u.Email}
}

func clientOf(n Note) *hookedParty {
	if n.ClientID == "" { // it is of none
		return nil
	}
	return &hookedParty{n.ClientID, n.Client}
}
