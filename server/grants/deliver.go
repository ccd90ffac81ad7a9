package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// handle is what a client is told with: which request is meant, and what shows the
// client that it is we who tell (CIBA Core section 7.1, client_notification_token).
type handle struct {
	AuthReqID string `json:"auth_req_id"`
	Token     string `json:"token"`
}

func (e *Endpoint) sealHandle(approvalID string, h handle) []byte {
	body, _ := json.Marshal(h) // strings cannot fail
	return e.keys.Seal(models.SealedHandle(approvalID), body)
}

func (e *Endpoint) openHandle(a *models.Approval) (handle, error) {
	var h handle
	body, err := e.keys.Open(models.SealedHandle(a.ID), a.NotificationToken)
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(body, &h)
}

// tellWord tells a person that somebody asks, if it still waits for them.
func (e *Endpoint) tellWord(ctx context.Context, n *models.Notice) error {
	if models.HasPrefix(n.Ref, models.PrefixTransfer) {
		return e.tellOffer(ctx, n)
	}
	a, err := e.store.Approval(ctx, n.Ref)
	if errors.Is(err, models.ErrNotFound) || err == nil && a.Now(e.now().Unix()) != models.ApprovalPending {
		return fmt.Errorf("it does not wait any more: %w", ErrNoUse)
	}
	if err != nil {
		return err
	}
	client, err := e.store.Client(ctx, n.ClientID)
	if err != nil {
		return err
	}
	if client.Status != models.StatusActive {
		return errors.New("the client is not active")
	}
	return e.word.Send(ctx, n.Channel, n.SubjectID, Message{
		Approval: a.ID, Client: client.Name, ClientID: client.ID, Words: a.Request.Message, Compare: a.CompareCode, EndsAt: a.ExpiresAt,
	})
}

// ping tells a client that it can come for the answer (CIBA Core section 10.2).
func (e *Endpoint) ping(ctx context.Context, n *models.Notice) error {
	_, h, err := e.toBeTold(ctx, n)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"auth_req_id": h.AuthReqID})
	if err != nil {
		return err
	}
	return taken(e.caller.PostJSON(ctx, n.URL, h.header(), body))
}

// push tells a client what came of its request (CIBA Core sections 10.3 and 12).
func (e *Endpoint) push(ctx context.Context, n *models.Notice) error {
	a, h, err := e.toBeTold(ctx, n)
	if err != nil {
		return err
	}
	body, err := e.outcome(ctx, n, a, h)
	if err != nil {
		return err
	}
	return taken(e.caller.PostJSON(ctx, n.URL, h.header(), body))
}

func (h handle) header() map[string]string {
	return map[string]string{"Authorization": "Bearer " + h.Token}
}

// toBeTold is what a client is told of, with what, and where: as it is registered now.
func (e *Endpoint) toBeTold(ctx context.Context, n *models.Notice) (*models.Approval, handle, error) {
	a, err := e.store.Approval(ctx, n.Ref)
	if err != nil {
		return nil, handle{}, err
	}
	client, err := e.store.Client(ctx, n.ClientID)
	if err != nil {
		return nil, handle{}, err
	}
	n.URL = client.NotificationEndpoint
	switch {
	case client.Status != models.StatusActive:
		return nil, handle{}, errors.New("the client is not active")
	case n.URL == "" || e.caller == nil:
		return nil, handle{}, errors.New("the client is registered to be told nowhere")
	case len(a.NotificationToken) == 0:
		return nil, handle{}, fmt.Errorf("there is nothing to tell it with: %w", ErrNoUse)
	}
	h, err := e.openHandle(a)
	return a, h, err
}

// outcome is what is pushed. A token that was issued for it is kept with the notice,
// and is the same at every attempt.
func (e *Endpoint) outcome(ctx context.Context, n *models.Notice, a *models.Approval, h handle) ([]byte, error) {
	if len(n.Payload) > 0 {
		return e.keys.Open(n.ID, n.Payload)
	}
	body, err := e.redeem(ctx, n, a, h)
	var problem *oauth.Error
	if err == nil || !errors.As(err, &problem) {
		return body, err
	}
	now, err := e.store.Notice(ctx, n.ID) // somebody else may have been at it, and have the token
	switch {
	case errors.Is(err, models.ErrNotFound):
		return nil, fmt.Errorf("it was told elsewhere: %w", ErrNoUse)
	case err != nil:
		return nil, err
	case len(now.Payload) > 0:
		return e.keys.Open(now.ID, now.Payload)
	case problem.Status() >= http.StatusInternalServerError || problem.Status() == http.StatusTooManyRequests || problem.Code == oauth.AuthorizationPending:
		return nil, problem
	}
	return json.Marshal(map[string]string{"auth_req_id": h.AuthReqID, "error": pushable(problem.Code), "error_description": problem.Description})
}

// pushable is an error as it is pushed: there are three (CIBA Core section 12).
func pushable(code string) string {
	if code == oauth.AccessDenied || code == oauth.ExpiredToken {
		return code
	}
	return "transaction_failed"
}

// redeem issues what was approved, on the way of every token, as if the client had
// come for it. It is kept, sealed, in the transaction in which it is issued. Where
// several services were named, the access token is for the first: one has one audience.
func (e *Endpoint) redeem(ctx context.Context, n *models.Notice, a *models.Approval, h handle) ([]byte, error) {
	req := oauth.TokenRequest{GrantType: oauth.CIBA, Scopes: []string{}, AuthReqID: h.AuthReqID, Client: oauth.ClientAuth{ID: a.ClientID}}
	req.Resources = a.Request.Resources[:min(1, len(a.Request.Resources))]
	var body []byte
	_, err := e.issue(ctx, Call{RequestID: n.ID}, ciba, req, who{
		show: func(*facts) (*proof, error) {
			return &proof{clientID: a.ClientID, credential: policies.Credential{Method: models.DeliveryPush}}, nil
		},
		told: func(i *issuance, r *models.Record) error {
			var err error
			body, err = json.Marshal(struct {
				AuthReqID string `json:"auth_req_id"`
				oauth.TokenResponse
			}{h.AuthReqID, i.response(ciba)})
			r.Told = &models.Told{Notice: n.ID, Payload: e.keys.Seal(n.ID, body)}
			return err
		},
	})
	return body, err
}

// taken reads the answer of a client's notification endpoint: only a fault of its own,
// or of the way there, is worth another attempt. A redirect is none we follow.
func taken(status int, err error) error {
	switch {
	case err != nil:
		return err
	case status == http.StatusOK || status == http.StatusNoContent:
		return nil
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests:
		return fmt.Errorf("answered %d", status)
	}
	return fmt.Errorf("answered %d: %w", status, ErrNoUse)
}
