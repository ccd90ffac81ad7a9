package tests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/tests/harness"
)

// wonders is how many random requests are both explained and sent, per database.
const wonders = 250

// wonderland is a small world in which anything may be the matter.
type wonderland struct {
	*harness.Server
	random  *rand.Rand
	owners  []*models.User
	clients []*harness.Client
	places  []*models.ResourceServer
	tokens  []string
	asks    *harness.Client // who explains
}

var wonderScopes = []string{"a:read", "a:write", "b:read", "b:write"}

func newWonderland(t *testing.T, dialect string, seed uint64) *wonderland {
	w := &wonderland{Server: harness.New(t, dialect, harness.Options{}), random: rand.New(rand.NewPCG(seed, 7))}
	w.Clock.Stop()
	w.asks = explainer(w.Server)
	w.owners = []*models.User{w.User("ann"), w.User("bob")}
	for i, name := range []string{"one", "two", "three", "four"} {
		w.clients = append(w.clients, w.Agent(name, w.owners[i%2]))
	}
	for i, name := range []string{"first", "second", "third"} {
		w.places = append(w.places, w.Service(name, w.clients[i], wonderScopes...))
	}
	for i, p := range w.places { // every scope leads on to its namesake at the next
		next := w.places[(i+1)%len(w.places)]
		for _, sc := range wonderScopes {
			w.Scope(p, sc, models.ScopeRef{ResourceID: next.ID, Name: sc})
		}
		for _, c := range w.clients {
			w.Allow(c.ID, p, wonderScopes[:2+w.random.IntN(3)]...)
		}
	}
	return w
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// request is one that anybody might send: often good, often not.
func (w *wonderland) request() (*harness.Client, url.Values) {
	client, place := pick(w.random, w.clients), pick(w.random, w.places)
	scopes := []string{pick(w.random, wonderScopes[:1+w.random.IntN(len(wonderScopes))])}
	switch w.random.IntN(12) {
	case 0:
		scopes = append(scopes, "c:unheard")
	case 1:
		scopes = nil
	}
	form := harness.OwnForm(place.Identifier, strings.Join(scopes, " "))
	if len(w.tokens) > 0 && w.random.IntN(4) > 0 {
		subject := pick(w.random, w.tokens)
		form = harness.ExchangeForm(subject, place.Identifier, strings.Join(scopes, " "))
		if w.random.IntN(2) == 0 { // from whom it may well be granted
			client = w.entitled(subject)
		}
		if w.random.IntN(8) == 0 {
			form.Set("actor_token", pick(w.random, w.tokens))
			form.Set("actor_token_type", harness.TokenType)
		}
	}
	switch w.random.IntN(12) {
	case 0:
		form.Del("resource")
	case 1:
		form.Set("resource", "https://nowhere.example")
	}
	if len(scopes) == 0 {
		form.Del("scope")
	}
	return client, form
}

// entitled is the client a token was sent to.
func (w *wonderland) entitled(token string) *harness.Client {
	t, err := w.Store.Token(context.Background(), jti(w.TB, token))
	require.NoError(w.TB, err)
	for i, p := range w.places {
		if p.ID == t.ResourceID {
			return w.clients[i]
		}
	}
	w.TB.Fatal("no such place")
	return nil
}

// heal makes everything good again.
func (w *wonderland) heal() {
	w.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		for _, c := range w.clients {
			if _, err := st.RestoreClient(ctx, by, c.ID); err != nil {
				return err
			}
			if _, err := st.UpdateClient(ctx, by, c.ID, models.AnyVersion, func(c *models.Client) {
				c.ExpiresAt, c.Labels, c.GrantTypes = models.Never, nil, []string{own, exchange}
			}); err != nil {
				return err
			}
		}
		for _, o := range w.owners {
			if _, err := st.RestoreUser(ctx, by, o.ID); err != nil {
				return err
			}
		}
		for _, p := range w.places {
			if _, err := st.UpdateResourceServer(ctx, by, p.ID, models.AnyVersion, func(r *models.ResourceServer) {
				r.Status, r.MaxDepth = models.StatusActive, 4
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// stir changes something that a decision may hang from.
func (w *wonderland) stir() {
	client, place, owner := pick(w.random, w.clients), pick(w.random, w.places), pick(w.random, w.owners)
	edit := func(change func(*models.Client)) func(context.Context, *models.Store, models.By) error {
		return func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateClient(ctx, by, client.ID, models.AnyVersion, change)
			return err
		}
	}
	later := time.Duration(2*w.random.IntN(2)-1) * 20 * time.Minute
	w.Do(pick(w.random, []func(context.Context, *models.Store, models.By) error{
		func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendClient(ctx, by, client.ID)
			return err
		},
		func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendUser(ctx, by, owner.ID)
			return err
		},
		func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateResourceServer(ctx, by, place.ID, models.AnyVersion, func(r *models.ResourceServer) {
				r.Status = pick(w.random, []string{models.StatusActive, models.StatusActive, models.StatusSuspended})
				r.MaxDepth, r.TokenTTL = 1+w.random.IntN(4), int64(60+w.random.IntN(600))
			})
			return err
		},
		func(ctx context.Context, st *models.Store, by models.By) error {
			if len(w.tokens) == 0 {
				return nil
			}
			return st.RevokeToken(ctx, by, jti(w.TB, pick(w.random, w.tokens)))
		},
		edit(func(c *models.Client) { c.ExpiresAt = w.Clock.Now().Add(later).Unix() }),
		edit(func(c *models.Client) {
			c.Labels = pick(w.random, []models.Labels{nil, nil, {"frozen": "true"}, {"without": pick(w.random, wonderScopes)}})
		}),
		edit(func(c *models.Client) {
			c.DefaultScopes = []models.ScopeRef{{ResourceID: place.ID, Name: pick(w.random, wonderScopes)}}
		}),
		edit(func(c *models.Client) {
			c.GrantTypes = pick(w.random, [][]string{{own}, {own, exchange}, {own, exchange}})
		}),
	}))
	if w.random.IntN(4) == 0 {
		w.Clock.Advance(4 * time.Minute)
	}
}

// What is explained is what the token endpoint then answers: granted or not,
// which scopes, to whom, and every reason with its rule.
func TestExplanationsAreWhatTheTokenEndpointAnswers(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			w := newWonderland(t, dialect, seed)
			granted, exchanged, refused, reasons := 0, 0, 0, map[string]bool{}
			for n := range wonders {
				switch n % 20 {
				case 0:
					w.heal()
				case 10, 12, 15, 17:
					w.stir()
				}
				client, form := w.request()
				x := w.wonder(client, form, fmt.Sprintf("seed %d, request %d", seed, n))
				switch {
				case x.Granted && form.Get("subject_token") != "":
					exchanged++
					fallthrough
				case x.Granted:
					granted++
				default:
					refused++
				}
				for _, l := range x.Missing {
					reasons[l.Reason] = true
				}
			}
			t.Logf("seed %d: %d granted, %d of them exchanges; %d refused for %d different reasons", seed, granted, exchanged, refused, len(reasons))
			require.Greater(t, granted, wonders/20)
			require.Greater(t, refused, wonders/20)
			require.Greater(t, len(reasons), 8)
		})
	}
}

// wonder explains a request, sends it, and holds the two answers together.
func (w *wonderland) wonder(client *harness.Client, form url.Values, label string) explanation {
	w.TB.Helper()
	body := of(client.ID, form)
	if w.random.IntN(2) == 0 && form.Get("subject_token") != "" {
		body["subject_token"] = jti(w.TB, form.Get("subject_token"))
	}
	before := w.issued()
	x := explain(w.Server, w.asks, body)
	require.Equal(w.TB, before+1, w.issued(), "%s: a token was made, beside the explainer's", label)
	a := w.Form("/oauth2/token", client, form)
	entry := w.LastEntry()
	require.Equal(w.TB, x.Granted, a.Status == http.StatusOK, "%s: %s, but %+v", label, a.Body, x)
	require.ElementsMatch(w.TB, recordedWhy(w.TB, entry), explainedWhy(x), label)
	require.Equal(w.TB, x.Policy.House, entry.Policy, label)
	if !x.Granted {
		require.Equal(w.TB, a.String("error"), x.Error, label)
		require.Equal(w.TB, a.String("error_description"), x.Description, label)
		require.Equal(w.TB, a.String("decision_id"), entry.ID, label)
		return x
	}
	raw := a.String("access_token")
	w.tokens = append(w.tokens, raw)
	_, c, err := tokens.Peek(raw)
	require.NoError(w.TB, err)
	require.Equal(w.TB, strings.Join(x.Decision.Scopes, " "), c["scope"], label)
	require.Equal(w.TB, x.Decision.Audience, c["aud"], label)
	require.Equal(w.TB, x.Decision.Subject, c["sub"], label)
	require.EqualValues(w.TB, x.Decision.TTL, a.JSON["expires_in"], label)
	return x
}

// issued counts all tokens there are.
func (w *wonderland) issued() (count int) {
	w.TB.Helper()
	p := models.Page{Limit: 200}
	for {
		rows, next, err := w.Store.Tokens(context.Background(), models.TokenFilter{}, p)
		require.NoError(w.TB, err)
		count += len(rows)
		if next == "" {
			return count
		}
		p.After = next
	}
}
