package outbound

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
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
		require.ErrorIs(t, Reach{}.dial(address), ErrPrivate, address)
		if !strings.Contains(address, "127.0.0.1") && !strings.Contains(address, "[::1]") {
			require.ErrorIs(t, Reach{Loopback: true}.dial(address), ErrPrivate, address)
		}
	}
	for _, address := range []string{"93.184.216.34:443", "8.8.8.8:80", "[2606:2800:220:1:248:1893:25c8:1946]:443", "[2a00:1450::1]:443"} {
		require.NoError(t, Reach{}.dial(address), address)
	}
}

func TestNetworksOfTheOperator(t *testing.T) {
	r := Reach{Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd12::/64")}}
	for _, address := range []string{"10.1.2.3:443", "[fd12::7]:443", "[::ffff:10.1.2.3]:443", "8.8.8.8:443"} {
		require.NoError(t, r.dial(address), address)
	}
	for _, address := range []string{"10.2.0.1:443", "[fd12:0:0:1::7]:443", "127.0.0.1:443", "169.254.169.254:80"} {
		require.ErrorIs(t, r.dial(address), ErrPrivate, address)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somewhere else was asked") }))
	t.Cleanup(elsewhere.Close)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/near":
			http.Redirect(w, r, "/long", http.StatusFound)
		default:
			_, _ = w.Write(bytes.Repeat([]byte("a"), MaxAnswer+10))
		}
	}))
	t.Cleanup(web.Close)
	client := Reach{Loopback: true}.HTTP(3)
	for _, path := range []string{"/away", "/round"} {
		_, err := client.Get(web.URL + path)
		require.Error(t, err, path)
	}
	resp, err := client.Get(web.URL + "/near")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Len(t, body, MaxAnswer)
}

func TestPlainHTTPIsForThisMachine(t *testing.T) {
	for raw, local := range map[string]bool{
		"http://127.0.0.1:1/x": true, "http://localhost/x": true, "http://[::1]/": true, "http://client.example/": false, "http://localhost.evil.example/": false,
		"ftp://localhost/": false, "https://user@client.example/": false, "https:///x": false,
	} {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		require.Equal(t, local, Reach{Loopback: true}.Allows(u), raw)
		require.False(t, Reach{}.Allows(u), raw)
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

	require.NoError(t, New(Reach{Loopback: true}).PostForm(t.Context(), server.URL+"/ok", form))
	require.ErrorContains(t, New(Reach{Loopback: true}).PostForm(t.Context(), server.URL+"/away", form), "307")
	require.ErrorContains(t, New(Reach{Loopback: true}).PostForm(t.Context(), server.URL+"/no", form), "400")
	require.Error(t, New(Reach{Loopback: true}).PostForm(t.Context(), "gopher://x", form))
	require.Equal(t, 1, hits)
	require.ErrorIs(t, New(Reach{}).PostForm(t.Context(), server.URL+"/ok", form), ErrPrivate, "by its address")
	_, port, _ := splitPort(server.URL)
	require.ErrorIs(t, New(Reach{}).PostForm(t.Context(), "http://localhost:"+port+"/ok", form), ErrPrivate, "by a name")
	require.Equal(t, 1, hits, "and nothing arrived")
}

func splitPort(raw string) (host, port string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", err
	}
	return u.Hostname(), u.Port(), nil
}
