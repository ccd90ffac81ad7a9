package outbound

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyPublicAddressesAreDialled(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:443", "10.0.0.1:443", "172.16.5.4:443", "192.168.1.1:443", "169.254.169.254:80", "0.0.0.0:80", "100.64.0.1:443", "198.18.0.1:443",
		"224.0.0.1:443", "255.255.255.255:443", "240.0.0.1:443", "[::1]:443", "[::]:443", "[fe80::1%eth0]:443", "[fc00::1]:443", "[fd12::1]:443",
		"[::ffff:127.0.0.1]:443", "[::ffff:10.0.0.1]:443", "[64:ff9b::a00:1]:443", "[2002:a00:1::]:443", "[2001:db8::1]:443", "[ff02::1]:443",
		"[::127.0.0.1]:443", "[fec0::1]:443", "localhost:443", "nonsense",
	} {
		require.ErrorIs(t, public(address), ErrPrivate, address)
	}
	for _, address := range []string{"93.184.216.34:443", "8.8.8.8:80", "[2606:2800:220:1:248:1893:25c8:1946]:443", "[2a00:1450::1]:443"} {
		require.NoError(t, public(address), address)
	}
}

func TestCalls(t *testing.T) {
	hits := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		hits++
		body, _ := io.ReadAll(r.Body)
		if string(body) != "a=b+c" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusTemporaryRedirect) })
	mux.HandleFunc("/no", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	server := httptest.NewServer(mux)
	defer server.Close()
	form := url.Values{"a": {"b c"}}

	require.NoError(t, New(true).PostForm(t.Context(), server.URL+"/ok", form))
	require.ErrorContains(t, New(true).PostForm(t.Context(), server.URL+"/away", form), "307")
	require.ErrorContains(t, New(true).PostForm(t.Context(), server.URL+"/no", form), "400")
	require.Error(t, New(true).PostForm(t.Context(), "gopher://x", form))
	require.Equal(t, 1, hits)
	require.ErrorIs(t, New(false).PostForm(t.Context(), server.URL+"/ok", form), ErrPrivate, "by its address")
	_, port, _ := splitPort(server.URL)
	require.ErrorIs(t, New(false).PostForm(t.Context(), "http://localhost:"+port+"/ok", form), ErrPrivate, "by a name")
	require.Equal(t, 1, hits, "and nothing arrived")
}

func splitPort(raw string) (host, port string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", err
	}
	return u.Hostname(), u.Port(), nil
}
