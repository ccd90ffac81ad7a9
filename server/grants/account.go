package grants

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
)

// objects are what accounts consist of, by the prefixes of their ids.
var objects = map[string]string{
	models.PrefixSession: "session", models.PrefixPasskey: "passkey", models.PrefixConsent: "consent",
	models.PrefixIdentity: "identity", models.PrefixSubscription: "subscription", models.PrefixAgent: "agent", models.PrefixApplication: "agent",
	models.PrefixTransfer: "transfer",
}

// answering is what somebody does because they answer for an agent, whether or not they
// ever let it act for them.
var answering = map[string]bool{"offerAgent": true, "withdrawOffer": true}

// Account asks policy whether a person may change something of their own account
// in their session, and says who acts, for the ledger. id names what is changed;
// "" is the account as a whole.
func (e *Endpoint) Account(ctx context.Context, call Call, who Person, what, id string) (models.By, error) {
	by := models.By{Again: func(ctx context.Context) (models.By, error) { return e.Account(ctx, call, who, what, id) }}
	action := policies.AccountPrefix + what
	err := e.settle(ctx, call, action, "", func(f *facts) (*matter, error) {
		in := policies.Input{
			Action: action, Now: f.now, Request: policies.Request{Resources: []string{}, Scopes: []string{}},
		}
		err := e.inPerson(ctx, f, who, &in) // their session may have ended since the request came in
		if err != nil {
			return nil, err
		}
		if in.Object, err = e.object(ctx, f.view, who, what, id); err != nil {
			return nil, err
		}
		carryOut := func(_ policies.Decision, r *models.Record) error {
			by.SubjectID, by.SessionID = who.UserID, who.SessionID
			by.DecisionID, by.RequestID, by.IP, by.Seen = r.Entry.ID, call.RequestID, call.IP, r.View
			return nil
		}
		return &matter{in: in, payer: who.SessionID, carryOut: carryOut}, nil
	})
	return by, err
}

// named is the form of ids. Whatever else somebody asks about is nothing, and is
// written nowhere.
var named = regexp.MustCompile(`^[a-z]{3}_[0-9A-Za-z_-]{1,64}$`)

// object is the fact of what a person changes.
func (e *Endpoint) object(ctx context.Context, v *models.View, who Person, what, id string) (*policies.Object, error) {
	prefix, _, _ := strings.Cut(id, "_")
	o := &policies.Object{Kind: "nothing"}
	var err error
	switch {
	case id == "":
		o.Kind, o.Owner = "account", who.UserID
	case objects[prefix] != "" && named.MatchString(id):
		o.Kind, o.ID = objects[prefix], id
		if answering[what] {
			o.Owner, err = v.Answering(ctx, id)
		} else {
			o.Owner, err = e.store.OwnerOf(ctx, who.UserID, id)
		}
	}
	if err == nil && what == "offerAgent" {
		o.Offers, err = v.Offers(ctx, who.UserID)
	}
	if err != nil {
		return nil, err
	}
	factor, err := e.store.TOTP(ctx, who.UserID)
	if err == nil {
		o.SecondFactor = factor.ConfirmedAt != 0
	} else if !errors.Is(err, models.ErrNotFound) {
		return nil, err
	}
	return o, nil
}
