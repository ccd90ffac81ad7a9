package models_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/models"
)

func TestCanonicalURI(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://h":                  "https://h",
		"https://h/":                 "https://h",
		"HTTPS://H/":                 "https://h",
		"https://Api.Example.COM/V1": "https://api.example.com/V1",
		"https://h/V1/":              "https://h/V1/",
		"https://h:443":              "https://h",
		"https://h:443/":             "https://h",
		"https://h:/x":               "https://h/x",
		"http://h:80/x":              "http://h/x",
		"http://h:443/":              "http://h:443",
		"https://h:80":               "https://h:80",
		"https://h:8443/":            "https://h:8443",
		"https://[::1]:443/x":        "https://[::1]/x",
		"https://[::1]":              "https://[::1]",
		"https://h/?q=1":             "https://h/?q=1",
		"https://h?q=A":              "https://h?q=A",
		"https://h//":                "https://h//",
		"https://h/a%2Fb":            "https://h/a%2Fb",
		"https://h/a%20b":            "https://h/a%20b",
		"urn:Example:Orders":         "urn:Example:Orders",
		"URN:Example:Orders":         "urn:Example:Orders",
		"spiffe://Trust.Example/a":   "spiffe://trust.example/a",
	} {
		got, err := models.CanonicalURI(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, got, raw)
	}
}

func TestCanonicalURIRefuses(t *testing.T) {
	t.Parallel()
	for raw, reason := range map[string]string{
		"":                                       "absolute",
		"orders":                                 "absolute",
		"/orders":                                "absolute",
		"//h/orders":                             "absolute",
		"https://h/#":                            "fragment",
		"https://h/x#y":                          "fragment",
		"urn:x#":                                 "fragment",
		"https://user@h/":                        "user information",
		"https://user:pass@h/":                   "user information",
		"https://@h/":                            "user information",
		"https://":                               "host",
		"https:///x":                             "host",
		"https://:443":                           "host",
		"s://:":                                  "host",
		"s://:80/x":                              "host",
		"s://::":                                 "one host",
		"https://a:b:443/":                       "URI",
		"https:h":                                "host",
		"https://h/ x":                           "ASCII",
		"https://h/é":                            "ASCII",
		"https://h/\"":                           "ASCII",
		"https://h/\\":                           "ASCII",
		"https://h/\x00":                         "URI",
		"https://h/%zz":                          "URI",
		"https://h:port/":                        "URI",
		"https://h/" + strings.Repeat("x", 2048): "URI",
	} {
		_, err := models.CanonicalURI(raw)
		requireInvalid(t, err, "resource")
		require.ErrorContains(t, err, reason, raw)
	}
}

func TestCanonicalURIIsStable(t *testing.T) {
	t.Parallel()
	uri := rapid.StringMatching(`(?i:https?|urn|x)(://|:|:///)[A-Z\[\]:./?&=%@a-z0-9-]{0,24}`)
	rapid.Check(t, func(t *rapid.T) {
		once, err := models.CanonicalURI(uri.Draw(t, "uri"))
		if err != nil {
			return
		}
		twice, err := models.CanonicalURI(once)
		if err != nil || twice != once {
			t.Fatalf("%q becomes %q (%v)", once, twice, err)
		}
	})
}
