package grants

import (
	"context"
	"slices"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
)

// ListEvents is the operation of the admin API that reads all events, and follows them.
const ListEvents = "listEvents"

// Following is somebody whom policy lets follow events, and which: all, or those that
// concern some resource servers. It holds for as long as nothing that was looked at
// has changed.
type Following struct {
	Name     string // client id
	All      bool
	Services []string // ids

	view  *models.View
	again func(context.Context) (*Following, error)
}

// Stands reports whether nothing that it was decided on is known to have changed.
func (f *Following) Stands() bool { return f.view.Stands() }

// Again has it decided anew. Its refusal ends the following.
func (f *Following) Again(ctx context.Context) (*Following, error) { return f.again(ctx) }

// Sees tells whether an event is one of those.
func (f *Following) Sees(e models.Event) bool {
	return f.All || e.Everybody || len(f.Concerned(e)) > 0
}

// Concerned are the resource servers of an event that the follower may know of.
func (f *Following) Concerned(e models.Event) []models.Concerned {
	if f.All {
		return e.Concerns
	}
	return slices.DeleteFunc(slices.Clone(e.Concerns), func(c models.Concerned) bool { return !slices.Contains(f.Services, c.ID) })
}

// FollowAll asks policy whether whoever carries a bearer token may follow all events.
func (e *Endpoint) FollowAll(ctx context.Context, call Call, bearer string) (*Following, error) {
	by, err := e.Admit(ctx, call, bearer, ListEvents)
	if err != nil {
		return nil, err
	}
	return &Following{Name: by.ClientID, All: true, view: by.Seen, again: func(ctx context.Context) (*Following, error) {
		return e.FollowAll(ctx, call, bearer)
	}}, nil
}

// Follow asks policy which events a client may follow as the services that it operates.
func (e *Endpoint) Follow(ctx context.Context, call Call, client oauth.ClientAuth) (*Following, error) {
	return e.follow(ctx, call, client.ID, true, func(ctx context.Context, f *facts) (*proof, error) {
		if client.Method == oauth.None { // it proves nothing, as at introspection
			return nil, oauth.BadClient("no_credentials")
		}
		return e.authenticate(ctx, f, call, client)
	})
}

func (e *Endpoint) follow(ctx context.Context, call Call, clientID string, pays bool, show func(context.Context, *facts) (*proof, error)) (*Following, error) {
	var out *Following
	err := e.settle(ctx, call, policies.Follow, clientID, func(f *facts) (*matter, error) {
		shown, err := show(ctx, f)
		if err != nil {
			return nil, err
		}
		span := signals.Start(ctx, "facts")
		defer span.End()
		in := policies.Input{
			Action: policies.Follow, Now: f.now, Credential: shown.credential,
			Request: policies.Request{Resources: []string{}, Scopes: []string{}},
		}
		if in.Client, err = f.view.Principal(ctx, shown.clientID); err != nil {
			return nil, err
		}
		if in.Resources, err = f.view.OperatedBy(ctx, shown.clientID); err != nil {
			return nil, err
		}
		m := &matter{in: in, once: shown.once, credential: shown.credential.ID, carryOut: func(d policies.Decision, r *models.Record) error {
			out = &Following{Name: shown.clientID, Services: d.Services, view: r.View, again: func(ctx context.Context) (*Following, error) {
				return e.follow(ctx, call, shown.clientID, false, func(ctx context.Context, f *facts) (*proof, error) { return e.stillProven(ctx, f, shown) })
			}}
			return nil
		}}
		if pays {
			m.payer = shown.clientID
		}
		return m, nil
	})
	return out, err
}

// stillProven is who proved who they are before: an assertion cannot be shown twice, but
// what it was made with must still be the client's.
func (e *Endpoint) stillProven(ctx context.Context, f *facts, before *proof) (*proof, error) {
	live, _, err := f.view.Credentials(ctx, before.clientID)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(live, func(c models.Credential) bool { return c.ID == before.credential.ID && c.Live(f.now) }) {
		return nil, oauth.BadClient("credential_ended")
	}
	return &proof{clientID: before.clientID, credential: before.credential}, nil
}
