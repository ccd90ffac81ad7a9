package grants

import (
	"context"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
)

// Evaluation is one question of a service (AuthZEN 1.0 section 6): may this subject,
// through these actors, do this here? All of it is what the service says; ids come from
// it, and facts never do.
type Evaluation struct {
	SubjectType  string
	Subject      string
	Actors       []string // as in an act claim, outermost first; nil if nothing was said of them
	Action       string   // a scope
	ResourceType string
	Resource     string // identifier or id of a resource server
	Details      []policies.Detail
	Token        string // the access token it is about, "" if it is about none
}

// Evaluated is the answer to it. A decision for either side is in the ledger, under ID.
type Evaluated struct {
	Decision bool
	ID       string
	Reasons  []Heard      // why not, as far as the service may hear
	Problem  *oauth.Error // of one among several that could not be asked
}

// Evaluate answers a client that operates the service it asks about. A service that may
// not ask at all is refused with an error, and so is a question that cannot be put;
// whatever else stands in the way is a decision.
func (e *Endpoint) Evaluate(ctx context.Context, call Call, client oauth.ClientAuth, q Evaluation) (*Evaluated, error) {
	return e.evaluate(ctx, call, client.ID, q, func(f *facts) (*proof, error) { return e.identified(ctx, f, call, client) })
}

// identified is who asks. A public client proves nothing, so it may ask nothing.
func (e *Endpoint) identified(ctx context.Context, f *facts, call Call, client oauth.ClientAuth) (*proof, error) {
	if client.Method == oauth.None {
		return nil, oauth.BadClient("no_credentials")
	}
	return e.authenticate(ctx, f, call, client)
}

func (e *Endpoint) evaluate(ctx context.Context, call Call, clientID string, q Evaluation, show func(*facts) (*proof, error)) (*Evaluated, error) {
	var answer *Evaluated
	var barred *oauth.Error
	err := e.settle(ctx, call, policies.Evaluate, clientID, func(f *facts) (*matter, error) {
		who, err := show(f)
		if err != nil {
			return nil, err
		}
		span := signals.Start(ctx, "facts")
		defer span.End()
		in := policies.Input{Action: policies.Evaluate, Now: f.now, Credential: who.credential}
		if in.Client, err = f.view.Principal(ctx, who.clientID); err != nil {
			return nil, err
		}
		if err := f.askedOf(ctx, q, &in); err != nil {
			return nil, claimedBy(who.clientID, err)
		}
		return &matter{
			in: in, once: who.once, credential: who.credential.ID,
			carryOut: func(_ policies.Decision, r *models.Record) error {
				answer = &Evaluated{Decision: true, ID: r.Entry.ID}
				return nil
			},
			refused: func(d policies.Decision, id string) error {
				answer, barred = &Evaluated{ID: id, Reasons: e.heard(in, d)}, ofCaller(in, d, id)
				return nil
			},
		}, nil
	})
	switch {
	case err == nil:
		return answer, nil
	case !isRefusal(err) || answer == nil:
		return nil, err
	case barred != nil:
		return nil, barred
	}
	return answer, nil
}

// askedOf adds what is known of everybody and everything that a question names. With a
// token, they are those in the token.
func (f *facts) askedOf(ctx context.Context, q Evaluation, in *policies.Input) (err error) {
	in.Request = policies.Request{
		Resources: []string{q.Resource}, Scopes: []string{q.Action}, Details: q.Details,
		Asked: &policies.Asked{Type: q.SubjectType, Subject: q.Subject, Chain: q.Actors, ResourceType: q.ResourceType},
	}
	if names, err := canonical(in.Request.Resources); err == nil { // what is malformed names nothing
		if err := f.target(ctx, oauth.TokenRequest{Resources: names}, in); err != nil {
			return err
		}
	}
	if q.Token != "" {
		in.Token, in.Request.TokenProblem, err = f.presented(ctx, q.Token, in)
	} else {
		err = f.named(ctx, in)
	}
	if err != nil {
		return err
	}
	return f.wellFormed(ctx, in)
}

// named adds the subject and the actors that a service names, and what the subject
// agreed to for the actor that began.
func (f *facts) named(ctx context.Context, in *policies.Input) (err error) {
	asked := in.Request.Asked
	if asked.Chain == nil {
		asked.Chain = []string{}
	}
	if in.Subject, err = f.view.Principal(ctx, asked.Subject); err != nil {
		return err
	}
	for _, id := range asked.Chain {
		actor, err := f.view.Principal(ctx, id)
		if err != nil {
			return err
		}
		in.Chain = append(in.Chain, actor)
	}
	if in.Subject == nil || in.Subject.Value.Kind != "user" || len(asked.Chain) == 0 {
		return nil
	}
	in.Consents, err = f.view.ConsentsTo(ctx, asked.Subject, asked.Chain[len(asked.Chain)-1])
	return err
}
