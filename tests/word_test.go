package tests

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/tests/harness"
)

// pushed is a browser's push service, and the browser that holds the keys.
type pushed struct {
	*httptest.Server
	t       *testing.T
	private *ecdh.PrivateKey
	secret  []byte

	mu     sync.Mutex
	status int
	notes  []map[string]string // as the browser reads them
	header http.Header
}

func newPushed(t *testing.T) *pushed {
	t.Helper()
	p := &pushed{t: t, status: http.StatusCreated, secret: make([]byte, 16)}
	var err error
	p.private, err = ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	_, _ = rand.Read(p.secret)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		p.header = r.Header
		if p.status == http.StatusCreated {
			p.notes = append(p.notes, p.read(body))
		}
		w.WriteHeader(p.status)
	}))
	t.Cleanup(p.Close)
	return p
}

// read opens a message as a browser does (RFC 8188, RFC 8291).
func (p *pushed) read(body []byte) map[string]string {
	salt, size := body[:16], int(body[20])
	theirs, err := ecdh.P256().NewPublicKey(body[21 : 21+size])
	require.NoError(p.t, err)
	shared, err := p.private.ECDH(theirs)
	require.NoError(p.t, err)
	derive := func(secret, salt []byte, info string, n int) []byte {
		out, err := hkdf.Key(sha256.New, secret, salt, info, n)
		require.NoError(p.t, err)
		return out
	}
	ikm := derive(shared, p.secret, "WebPush: info\x00"+string(p.private.PublicKey().Bytes())+string(theirs.Bytes()), 32)
	block, err := aes.NewCipher(derive(ikm, salt, "Content-Encoding: aes128gcm\x00", 16))
	require.NoError(p.t, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(p.t, err)
	plain, err := aead.Open(nil, derive(ikm, salt, "Content-Encoding: nonce\x00", 12), body[21+size:], nil)
	require.NoError(p.t, err)
	note := map[string]string{}
	require.NoError(p.t, json.Unmarshal(plain[:strings.LastIndexByte(string(plain), 2)], &note))
	return note
}

// subscription is what the browser's script sends.
func (p *pushed) subscription(path string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	body, err := json.Marshal(map[string]any{"endpoint": p.URL + path, "expirationTime": nil, "keys": map[string]string{"p256dh": b64(p.private.PublicKey().Bytes()), "auth": b64(p.secret)}})
	require.NoError(p.t, err)
	return string(body)
}

// told is alice, signed in.
func eachTold(t *testing.T, test func(t *testing.T, v *visit)) {
	eachVisit(t, func(t *testing.T, v *visit) {
		v.b.SignIn("alice", harness.Password)
		test(t, v)
	})
}

func TestWord_ATestReachesTheMailboxThatOnlyThisMachineSees(t *testing.T) {
	eachTold(t, func(t *testing.T, v *visit) {
		page := v.b.Get("/account/word")
		require.Equal(t, http.StatusOK, page.Status, page.Body)
		require.Contains(t, page.Body, "alice@people.test")
		done := v.b.Post("/account/word/test", url.Values{"channel": {"mail"}})
		require.Contains(t, done.Body, "The test is on its way")
		box := v.b.Get("/dev/mailbox")
		require.Contains(t, box.Body, "This is a test from Deputy")
		require.Contains(t, box.Body, html.EscapeString(v.URL+"/account/word"))

		soon := v.b.Post("/account/word/test", url.Values{"channel": {"mail"}})
		require.Equal(t, http.StatusTooManyRequests, soon.Status, "nobody is flooded with tests")
		v.Clock.Advance(11 * time.Second)
		require.Equal(t, http.StatusOK, v.b.Post("/account/word/test", url.Values{"channel": {"mail"}}).Status)
		require.Len(t, v.Mailbox.Mails(), 2)

		req := httptest.NewRequest(http.MethodGet, v.URL+"/dev/mailbox", nil)
		for name, spoil := range map[string]func(*http.Request){
			"another machine": func(r *http.Request) { r.RemoteAddr = "192.0.2.7:1234" }, "another name": func(r *http.Request) { r.Host = "rebound.example" },
		} {
			asked := req.Clone(t.Context())
			asked.RemoteAddr = "127.0.0.1:1234"
			spoil(asked)
			answer := httptest.NewRecorder()
			v.Handler.ServeHTTP(answer, asked)
			require.Equal(t, http.StatusNotFound, answer.Code, name)
			require.NotContains(t, answer.Body.String(), "alice", name)
		}
	})
}

func TestWord_IsWrittenInTheLanguageSomebodyChose(t *testing.T) {
	eachTold(t, func(t *testing.T, v *visit) {
		require.Equal(t, http.StatusUnprocessableEntity, v.b.Post("/account/word", url.Values{"lang": {"tlh"}}).Status)
		page := v.b.Post("/account/word", url.Values{"lang": {"de"}})
		require.Contains(t, page.Body, `<option value="de" lang="de" selected>`)
		require.Equal(t, "setWord", v.LastEntry().Action)
		v.b.Post("/account/word/test", url.Values{"channel": {"mail"}})
		require.Equal(t, "Das ist ein Test von Deputy", v.Mailbox.Mails()[0].Subject)
	})
}

func TestWord_ABrowserShowsNotesUntilItSaysGone(t *testing.T) {
	eachTold(t, func(t *testing.T, v *visit) {
		p := newPushed(t)
		a := v.b.PostJSON("/account/word/push", p.subscription("/sub/1"))
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		names, err := v.Word.Reaches(t.Context(), v.user.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"mail", "push"}, names)

		m := grants.Message{Approval: "apr_1", Client: "payroll-agent", Words: "Pay at once", Compare: "K7QP"}
		require.NoError(t, v.Word.Send(t.Context(), "push", v.user.ID, m))
		require.Len(t, p.notes, 1)
		require.Equal(t, map[string]string{
			"title": "payroll-agent waits for your answer", "body": "Compare the code: K7QP. It must be the same where you were told of this.",
			"link": v.URL + "/approvals/apr_1", "tag": "apr_1",
		}, p.notes[0], "what an agent says is not shown where nobody sees that it is the agent who says it")
		token, key, _ := strings.Cut(strings.TrimPrefix(p.header.Get("Authorization"), "vapid t="), ", k=")
		require.Contains(t, v.b.Get("/account/word").Body, `data-key="`+key+`"`, "browsers take notes of this server alone")
		claims := jwt.MapClaims{}
		_, _, err = jwt.NewParser().ParseUnverified(token, claims)
		require.NoError(t, err)
		require.Equal(t, p.URL, claims["aud"])

		p.status = http.StatusServiceUnavailable
		v.Clock.Advance(time.Minute)
		failed := v.b.Post("/account/word/test", url.Values{"channel": {"push"}})
		require.Equal(t, http.StatusBadGateway, failed.Status)
		require.Contains(t, failed.Body, "Firefox, Linux: the push service answered 503", "as it came back")
		p.status = http.StatusGone
		require.ErrorIs(t, v.Word.Send(t.Context(), "push", v.user.ID, m), grants.ErrNoUse)
		rows, err := v.Store.Subscriptions(t.Context(), v.user.ID)
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}

func TestWord_ASubscriptionIsForWhoShowedWhoTheyAreAndTheirsAlone(t *testing.T) {
	eachTold(t, func(t *testing.T, v *visit) {
		p := newPushed(t)
		require.Equal(t, http.StatusOK, v.b.PostJSON("/account/word/push", p.subscription("/sub/1")).Status)
		rows, err := v.Store.Subscriptions(t.Context(), v.user.ID)
		require.NoError(t, err)
		eve := v.Browser()
		v.Person("eve")
		eve.SignIn("eve", harness.Password)
		eve.Post("/account/word/push/"+rows[0].ID+"/remove", nil)
		left, err := v.Store.Subscriptions(t.Context(), v.user.ID)
		require.NoError(t, err)
		require.Len(t, left, 1, "somebody else's")

		for _, bad := range []string{`{`, `{}`, `{"endpoint":"javascript:alert(1)","keys":{"p256dh":"","auth":""}}`, strings.Replace(p.subscription("/x"), `"auth":"`, `"auth":"A`, 1)} {
			require.Equal(t, http.StatusUnprocessableEntity, v.b.PostJSON("/account/word/push", bad).Status, bad)
		}
		v.Clock.Advance(16 * time.Minute)
		again := v.b.PostJSON("/account/word/push", p.subscription("/sub/2"))
		require.Equal(t, http.StatusUnauthorized, again.Status, "who finds a browser open must not read along")
		require.Contains(t, again.Body, "/login?return=word")
		require.Equal(t, http.StatusSeeOther, v.b.Post("/account/word/push/"+rows[0].ID+"/remove", nil).Status, "taking back is always possible")
		left, err = v.Store.Subscriptions(t.Context(), v.user.ID)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

// KC CVE-2026-1518: where a browser says its push service is, is for anybody to say.
func TestWord_APushServiceInsideIsNotReached(t *testing.T) {
	eachTold(t, func(t *testing.T, v *visit) {
		for _, inside := range []string{"https://10.0.0.1/x", "https://169.254.169.254/latest", "https://[fd00::1]/x", "http://192.0.2.1/x"} {
			p := newPushed(t)
			body := strings.Replace(p.subscription(""), p.URL, inside, 1)
			require.Equal(t, http.StatusOK, v.b.PostJSON("/account/word/push", body).Status)
			err := v.Word.Send(t.Context(), "push", v.user.ID, grants.Message{Approval: "apr_1"})
			require.ErrorContains(t, err, "the address is not a public one", inside)
			require.NotContains(t, err.Error(), "10.0.0.1")
		}
	})
}

func TestWord_ThePushKeyIsSealedAndTheSameAtEveryReplica(t *testing.T) {
	eachTold(t, func(t *testing.T, v *visit) {
		first, err := v.Word.PushKey(t.Context())
		require.NoError(t, err)
		row, err := v.Store.PushKey(t.Context(), func() (*models.PushKey, error) { return nil, io.EOF })
		require.NoError(t, err)
		require.Equal(t, first, row.Public)
		_, err = v.Master().Open(row.ID, row.Sealed)
		require.NoError(t, err)
		_, err = v.Master().Open("key_other", row.Sealed)
		require.Error(t, err)
		require.NotContains(t, string(v.Keys.JWKS()), row.ID, "it signs no tokens")
	})
}
