package tests

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/tests/harness"
)

// Whatever the first page loads is there, below an issuer's path too, and is
// of the type that a browser told not to sniff wants.
func TestPagesHaveWhatTheyLoad(t *testing.T) {
	for _, path := range []string{"", "/tenants/t1"} {
		s := harness.New(t, "sqlite", harness.Options{Path: path})
		a := getURL(t, s, s.URL+"/?ui_locales=de")
		require.Equal(t, http.StatusOK, a.Status)
		require.Equal(t, "de", a.Header.Get("Content-Language"))
		require.Contains(t, a.Header.Get("Content-Security-Policy"), "default-src 'none'")
		require.Contains(t, a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
		require.Equal(t, "DENY", a.Header.Get("X-Frame-Options"))
		require.Contains(t, a.Body, `<html lang="de">`)

		loads := regexp.MustCompile(`<(?:link rel="stylesheet"|link rel="icon" type="image/svg\+xml"|img) (?:href|src)="([^"]+)"`).FindAllStringSubmatch(a.Body, -1)
		require.Len(t, loads, 3)
		types := map[string]string{path + "/pages.css": "text/css; charset=utf-8", path + "/mark.svg": "image/svg+xml"}
		for _, load := range loads {
			part := getURL(t, s, s.Host+load[1])
			require.Equal(t, http.StatusOK, part.Status, load[1])
			require.Equal(t, types[load[1]], part.Header.Get("Content-Type"), load[1])
		}
	}
}
