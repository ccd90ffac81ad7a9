package models_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

// A resource identifier has one form: the canonical form is its own, and it
// never names another place than what was sent.
func FuzzCanonicalURI(f *testing.F) {
	for _, seed := range []string{
		"https://service.example", "HTTPS://Service.Example:443/", "http://localhost:8080/api/v1", "urn:example:orders", "spiffe://trust.example/a",
		"https://h/a%2Fb?q=1", "https://[::1]:443/x", "https://user@h", "https://h#f", "//h", "https://h/..;/", "https://h:/", "https://h?", "https://h%41/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		canonical, err := models.CanonicalURI(raw)
		if err != nil {
			requireInvalid(t, err, "resource")
			return
		}
		again, err := models.CanonicalURI(canonical)
		require.NoError(t, err, "the canonical form of %q, %q", raw, canonical)
		require.Equal(t, canonical, again)

		sent, err := url.Parse(raw)
		require.NoError(t, err)
		kept, err := url.Parse(canonical)
		require.NoError(t, err)
		require.True(t, kept.IsAbs())
		require.NotContains(t, canonical, "#")
		require.Nil(t, kept.User)
		require.Equal(t, strings.ToLower(sent.Hostname()), kept.Hostname())
		require.Equal(t, sent.Scheme, kept.Scheme)
		require.Equal(t, sent.RawQuery, kept.RawQuery)
		require.Equal(t, sent.Opaque, kept.Opaque)
		require.Equal(t, port(sent), port(kept))
		require.Equal(t, strings.TrimSuffix(sent.EscapedPath(), "/"), strings.TrimSuffix(kept.EscapedPath(), "/"))
		for _, r := range canonical {
			require.True(t, r > ' ' && r <= '~', "%q", canonical)
		}
	})
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"https": "443", "http": "80"}[u.Scheme]
}
