package grants

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/deputyauth/deputy/models"
)

// Kinds of news: of a client, or of what somebody signs in by.
const (
	NewsClientEnds       = "client_ends"
	NewsCredentialEnds   = "credential_ends"
	NewsCredentialLeaked = "credential_leaked"
	NewsGrantLeaked      = "grant_leaked"
	NewsTokenLeaked      = "token_leaked"
	NewsSessionLeaked    = "session_leaked"
	NewsLinkLeaked       = "link_leaked"
	NewsTransferAccepted = "transfer_accepted"
	NewsTransferDeclined = "transfer_declined"
)

// News is what somebody is told of a client that asks them nothing: it ends soon, a
// secret of it was found in the open and is dead, or somebody was offered it and has
// answered. Of a session or link that was found, it is of no client. There is no secret in
// it.
type News struct {
	ID    string // the same at every attempt
	Kind  string
	Thing string // id of what ends or ended: the client, a credential, a grant, a token, an offer, a session, a link
	Name  string // of the thing, or its id
	As    string // models.ToldOwner, …
	At    int64  // when it ends or ended
	Do    string // the command that helps, "" if there is none
	By    string // name of who answered an offer
}

// Times of reminding, in seconds: how often what ends is looked for, and how long what
// was told is remembered beyond its end.
const (
	remindEvery  = 3600
	keepReminded = 30 * 24 * 3600
)

// remind looks once an hour for what ends soon, and has whoever answers for it told.
func (e *Endpoint) remind(ctx context.Context, now int64) error {
	last := e.reminded.Load()
	if now >= last && now < last+remindEvery || !e.reminded.CompareAndSwap(last, now) {
		return nil
	}
	_, err := e.store.Remind(ctx)
	if err = errors.Join(err, e.store.PurgeReminders(ctx, now-keepReminded)); err != nil {
		e.reminded.Store(last) // the next call goes on
	}
	return err
}

// tellNews tells one person news, or finds out who must be told.
func (e *Endpoint) tellNews(ctx context.Context, n *models.Notice) error {
	client := &models.Client{} // none: what is told is the person's own
	if n.ClientID != "" {
		var err error
		if client, err = e.store.Client(ctx, n.ClientID); err != nil {
			return err
		}
	}
	m, err := e.news(ctx, n, client)
	switch {
	case err != nil:
		return err
	case n.Channel == "":
		return e.spread(ctx, n, client)
	}
	return e.word.Send(ctx, n.Channel, n.SubjectID, m)
}

// news is what there is to tell. ErrNoUse: nothing any more.
func (e *Endpoint) news(ctx context.Context, n *models.Notice, client *models.Client) (Message, error) {
	news := &News{ID: n.ID, Thing: n.Ref, Name: n.Ref, As: n.ToldAs, At: n.CreatedAt}
	m := Message{Client: client.Name, ClientID: client.ID, News: news}
	switch {
	case n.Kind == models.NoticeReminder:
		ending, err := e.store.Ending(ctx, n.Ref)
		if errors.Is(err, models.ErrNotFound) || err == nil && ending.EndsAt != n.EndsAt {
			return m, fmt.Errorf("it does not end then: %w", ErrNoUse)
		}
		if err != nil {
			return m, err
		}
		news.Kind, news.At, news.Do = NewsClientEnds, ending.EndsAt, "deputy agent set "+client.Name+" --lifetime 90"
		m.EndsAt = ending.EndsAt
	case n.Kind == models.NoticeAnswer:
		return m, e.answered(ctx, n.Ref, news)
	case models.HasPrefix(n.Ref, models.PrefixGrant):
		news.Kind = NewsGrantLeaked
	case models.HasPrefix(n.Ref, models.PrefixToken):
		news.Kind = NewsTokenLeaked
	case models.HasPrefix(n.Ref, models.PrefixCredential):
		news.Kind = NewsCredentialLeaked
	case models.HasPrefix(n.Ref, models.PrefixSession):
		news.Kind = NewsSessionLeaked
	case models.HasPrefix(n.Ref, models.PrefixLink):
		news.Kind = NewsLinkLeaked
	default:
		return m, fmt.Errorf("news of %q: %w", n.Ref, ErrNoUse)
	}
	if n.Kind == models.NoticeLeak {
		news.Do = "deputy agent rotate " + client.Name
	}
	if n.ToldAs == models.ToldPerson || n.ToldAs == models.ToldHolder {
		news.Do = "" // it is not theirs to do, or no command does it
	}
	if !models.HasPrefix(n.Ref, models.PrefixCredential) {
		return m, nil
	}
	return m, e.nameCredential(ctx, n, client, news)
}

// nameCredential says of news which credential they are of.
func (e *Endpoint) nameCredential(ctx context.Context, n *models.Notice, client *models.Client, news *News) error {
	held, err := e.store.Credential(ctx, client.ID, n.Ref)
	if err != nil {
		return err
	}
	news.Name = cmp.Or(held.Name, held.ID)
	if n.Kind == models.NoticeLeak {
		return nil
	}
	news.Kind, news.Do = NewsCredentialEnds, "deputy agent rotate "+client.Name
	if held.Kind != models.CredentialSecret {
		news.Do = "deputy agent key " + client.Name
	}
	return nil
}

// spread puts a notice for everybody who must be told, by every channel that reaches
// them, in the place of one that says only what is to be told. Where nobody answers
// for the client, administrators are told, and whoever runs this server.
func (e *Endpoint) spread(ctx context.Context, n *models.Notice, client *models.Client) error {
	to, err := e.receivers(ctx, n, client)
	if err != nil {
		return err
	}
	var notices []models.Notice
	for _, one := range to {
		channels, err := e.word.Reaches(ctx, one.SubjectID)
		if err != nil {
			return err
		}
		for _, channel := range channels {
			if one.ToldAs == models.ToldAdministrator && channel == ChannelOperator {
				continue // which is told once, besides
			}
			one.Channel = channel
			notices = append(notices, one)
		}
	}
	if len(notices) == 0 {
		return fmt.Errorf("nobody can be reached: %w", ErrNoUse)
	}
	return e.store.SpreadNotice(ctx, *n, notices)
}

// ChannelOperator is the channel of whoever runs this server, which also reaches
// everybody.
const ChannelOperator = "webhook"

// receivers are those who must be told something of a client.
func (e *Endpoint) receivers(ctx context.Context, n *models.Notice, client *models.Client) ([]models.Notice, error) {
	if n.SubjectID != "" {
		return []models.Notice{{SubjectID: n.SubjectID, ToldAs: n.ToldAs}}, nil
	}
	owner, err := e.store.Answers(ctx, client)
	if err != nil {
		return nil, err
	}
	if owner != nil {
		return []models.Notice{{SubjectID: owner.ID, ToldAs: models.ToldOwner}}, nil
	}
	ids, err := e.store.Administrators(ctx, n.Ref)
	to := []models.Notice{{ToldAs: models.ToldOperator}}
	for _, id := range ids {
		to = append(to, models.Notice{SubjectID: id, ToldAs: models.ToldAdministrator})
	}
	return to, err
}
