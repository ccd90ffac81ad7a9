package grants

import (
	"time"

	"github.com/deputyauth/deputy/models"
)

// EventBody is an event as followers get it: ids, and nothing else of anybody.
type EventBody struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Time string `json:"time"` // RFC 3339
	CAEP string `json:"caep,omitempty"`

	Audience     []string `json:"aud,omitempty"` // identifiers of the services whom it concerns
	ClientID     string   `json:"client_id,omitempty"`
	SubjectID    string   `json:"sub,omitempty"`
	GrantID      string   `json:"grant_id,omitempty"`
	TokenID      string   `json:"jti,omitempty"`
	Txn          string   `json:"txn,omitempty"`
	ConsentID    string   `json:"consent_id,omitempty"`
	CredentialID string   `json:"credential_id,omitempty"`
	KeyID        string   `json:"kid,omitempty"`
	ResourceID   string   `json:"resource_server_id,omitempty"`
	RoleID       string   `json:"role_id,omitempty"`
	GroupID      string   `json:"group_id,omitempty"`
	SessionID    string   `json:"session_id,omitempty"`
	Revision     string   `json:"revision,omitempty"`
}

// Tell is an event as somebody is told of it: of other services that it concerns they
// learn nothing.
func Tell(e models.Event, to *Following) EventBody {
	body := EventBody{
		ID: e.Position.String(), Type: e.Type, CAEP: models.CAEP(e.Type), Time: time.UnixMilli(e.At).UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		ClientID: e.ClientID, SubjectID: e.SubjectID, GrantID: e.GrantID, TokenID: e.TokenID, Txn: e.Txn,
		ConsentID: e.ConsentID, CredentialID: e.CredentialID, KeyID: e.KeyID, ResourceID: e.ResourceID, Revision: e.Revision,
		RoleID: e.RoleID, GroupID: e.GroupID, SessionID: e.SessionID,
	}
	for _, c := range to.Concerned(e) {
		body.Audience = append(body.Audience, c.Identifier)
	}
	return body
}
