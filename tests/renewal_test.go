package tests

import (
	"context"
	"net/http"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// How long a secret lives that an agent makes for itself, and for how long the old one
// works beside it, is policy's answer: the floor's, or less if the house says so.
func TestRenewal_PolicyBoundsIt(t *testing.T) {
	house := fstest.MapFS{
		"house/issue/issue.rego": {Data: []byte("package house.issue\n\n_nothing := true\n")},
		"house/admin/admin.rego": {Data: []byte("package house.admin\n\nmax_ttl := 86400 if input.client.name == \"brief\"\n\ndeny contains \"too_long\" if input.request.renewal.overlap > 7200\n")},
	}
	s := harness.New(t, "sqlite", harness.Options{House: house})
	s.Clock.Stop()
	brief, other := s.Agent("brief", s.User("joe")), s.Agent("other", s.User("jane"))
	const day = 24 * 3600
	rotate := func(as *harness.Client, overlap int) harness.Answer {
		token := s.Own(as, s.URL+"/api/v1", "credentials:own")
		return api(s, token, http.MethodPost, "/self/credential/rotate", object{"overlap": overlap})
	}
	for _, c := range []*harness.Client{brief, other} {
		s.Allow(c.ID, deputy, "credentials:own")
		secret, err := s.Store.CreateCredential(context.Background(), models.By{System: "test"}, secretFor(c, s.Store.Now()+10*day))
		require.NoError(t, err)
		c.Secret = secret
	}
	for overlap, why := range map[int]string{0: "overlap_out_of_bounds", 3599: "overlap_out_of_bounds", 30*day + 1: "overlap_out_of_bounds", 7201: "too_long"} {
		a := rotate(other, overlap)
		require.Equal(t, http.StatusForbidden, a.Status, a.Body)
		require.Contains(t, s.LastEntry().Detail, `"`+why+`"`)
		require.Contains(t, a.JSON["decision_id"], "dec_")
	}
	ends := func(a harness.Answer) time.Duration {
		require.Equal(t, http.StatusCreated, a.Status, a.Body)
		at, err := time.Parse(time.RFC3339, a.JSON["expires_at"].(string))
		require.NoError(t, err)
		return at.Sub(s.Clock.Now().Truncate(time.Second))
	}
	require.Equal(t, 10*day*time.Second, ends(rotate(other, 3600)))
	s.Clock.Advance(time.Minute)
	again := rotate(other, 3600)
	require.Equal(t, 10*day*time.Second, ends(again), "it is in its overlap, and was meant to live as long")
	require.Equal(t, day*time.Second, ends(rotate(brief, 3600)), "the house says less")
	require.Contains(t, s.Last("admin:rotateOwnCredential").Detail, `"renewal":{"overlap":3600,"life":864000}`)

	credentials, _, err := s.Store.Credentials(context.Background(), other.ID, models.Page{})
	require.NoError(t, err)
	require.Len(t, credentials, 4, "what was refused made none")
}

func secretFor(c *harness.Client, until int64) *models.Credential {
	return &models.Credential{ClientID: c.ID, Kind: models.CredentialSecret, ExpiresAt: until}
}
