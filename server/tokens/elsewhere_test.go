package tokens

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// pair are the keyrings of two replicas on one database, whose clock stands still.
func pair(t *testing.T, o models.Options) (here, there *Keyring, now *time.Time) {
	t.Helper()
	at := time.Now()
	master, err := NewMasterKey(GenerateMasterKey())
	require.NoError(t, err)
	ring := func() *Keyring {
		k, err := NewKeyring(t.Context(), "https://deputy.example", modelstest.Open(t, o), master, func() time.Time { return at })
		require.NoError(t, err)
		return k
	}
	return ring(), ring(), &at
}

func token(t *testing.T, k *Keyring, id string, now time.Time) string {
	t.Helper()
	raw, err := k.Sign(Claims{
		Subject: "agt_1", SubProfile: "ai_agent", Audience: "https://service.example", ClientID: "agt_1", ClientProfile: "ai_agent",
		Scope: "read", ID: id, Txn: id, GrantID: "gnt_1", IssuedAt: now.Unix(), Expires: now.Unix() + 600,
	})
	require.NoError(t, err)
	return raw
}

// A key that one replica made is used to verify at the other as soon as it meets
// it, time and again, however lately it looked.
func TestKeyOfAnotherReplicaIsFoundAtOnce(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		here, there, now := pair(t, o)
		for n := range 5 {
			require.NoError(t, there.Reload(t.Context()))
			made, err := here.Rotate(t.Context(), modelstest.By(), 0)
			require.NoError(t, err)
			require.NotContains(t, string(there.JWKS()), made.ID)
			claims, err := there.Verify(t.Context(), token(t, here, fmt.Sprintf("tok_%d", n), *now))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("tok_%d", n), claims.ID)
			require.Contains(t, string(there.JWKS()), made.ID)
			*now = now.Add(time.Second)
		}
	})
}

// Made-up keys cause a bounded number of looks at the database. When they have used
// them up, a new key is found with the next look, which is a second away at most.
func TestMadeUpKeysCauseFewLooks(t *testing.T) {
	here, there, now := pair(t, modelstest.Database(t, "sqlite"))
	elsewhere, _, _ := pair(t, modelstest.Database(t, "sqlite"))
	foreign := token(t, elsewhere, "tok_1", *now)
	for range lookBurst {
		_, err := there.Verify(t.Context(), foreign)
		require.ErrorIs(t, err, UnknownKey)
	}
	_, err := here.Rotate(t.Context(), modelstest.By(), 0)
	require.NoError(t, err)
	fresh := token(t, here, "tok_2", *now)
	_, err = there.Verify(t.Context(), fresh)
	require.ErrorIs(t, err, UnknownKey, "the looks are used up")
	*now = now.Add(time.Second)
	_, err = there.Verify(t.Context(), fresh)
	require.NoError(t, err)
}

func TestLooks(t *testing.T) {
	var l looks
	now := time.Now()
	taken := func() (n int) {
		for range 1000 {
			if l.take(now) {
				n++
			}
		}
		return n
	}
	require.Equal(t, lookBurst, taken())
	now = now.Add(3 * time.Second)
	require.Equal(t, 3, taken())
	now = now.Add(-time.Hour)
	require.Zero(t, taken(), "a clock that is set back brings nothing")
	now = now.Add(time.Hour)
	require.LessOrEqual(t, taken(), lookBurst)
	now = now.Add(time.Hour)
	require.Equal(t, lookBurst, taken())
}
