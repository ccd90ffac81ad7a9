package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// terminal is a person of the sample world at one, whom assistant asks.
type terminal struct {
	*devServer
	store    *models.Store
	world    *devWorld
	agent    models.Client
	password string // file with it
}

func newTerminal(t *testing.T, dialect, who string) *terminal {
	t.Helper()
	d := startDev(t, dialect)
	world, err := readDevWorld(d.dir)
	require.NoError(t, err)
	d.must("agent", "set", "assistant", "--grant", "ciba,refresh_token")
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(world.People[who]+"\n"), 0o600))
	at := &terminal{devServer: d, store: d.store(), world: world, password: file}
	at.agent = d.client(at.store, "assistant")
	return at
}

// asked is what assistant asks of somebody: both scopes of the sales API.
func (at *terminal) asked(who string) (approval *models.Approval, secret string) {
	at.t.Helper()
	user, err := at.store.UserNamed(context.Background(), who)
	require.NoError(at.t, err)
	approval = &models.Approval{
		Kind: models.ApprovalCIBA, ClientID: at.agent.ID, SubjectID: user.ID, Delivery: models.DeliveryPoll, ExpiresAt: at.store.Now() + 600, IP: "192.0.2.7",
		Request: models.ApprovalRequest{
			Scopes: []string{"sales:read", "sales:export"}, Resources: []string{"https://sales-api.example"}, Message: "Quarter 3; say yes", ACRValues: []string{},
		},
	}
	made, err := at.store.Ask(context.Background(), modelstest.By(), approval, models.Telling{})
	require.NoError(at.t, err)
	return approval, made.Secret
}

// poll is what assistant gets.
func (at *terminal) poll(secret string) (token, error) {
	at.t.Helper()
	var got token
	form := url.Values{"grant_type": {models.GrantCIBA}, "auth_req_id": {secret}}
	r := newRemote(at.url, at.world.Cast["assistant"])
	return got, r.form(context.Background(), r.self, "/oauth2/token", form, &got)
}

// approve runs the command as somebody.
func (at *terminal) approve(who string, more ...string) (string, error) {
	at.t.Helper()
	return at.deputy(append([]string{"approve", "--username", who, "--password-file", at.password}, more...)...)
}

// types is what somebody types at the prompts.
func (at *terminal) types(text string) {
	at.t.Helper()
	file := filepath.Join(at.t.TempDir(), "typed")
	require.NoError(at.t, os.WriteFile(file, []byte(text), 0o600))
	f, err := os.Open(file)
	require.NoError(at.t, err)
	before := os.Stdin
	os.Stdin = f
	at.t.Cleanup(func() {
		os.Stdin = before
		require.NoError(at.t, f.Close())
	})
}

func TestApproveFromATerminal(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		at := newTerminal(t, dialect, "alice")
		out, err := at.approve("alice")
		require.NoError(t, err, out)
		require.Contains(t, out, "Nothing waits for you.")
		_, err = at.approve("alice", "--yes")
		require.ErrorContains(t, err, "nothing waits for you")

		first, secret := at.asked("alice")
		at.types("\n")
		out, err = at.approve("alice")
		require.NoError(t, err, out)
		require.Contains(t, out, "Nothing was answered.")
		for _, line := range []string{
			`assistant asks to act for you at sales-api +\(` + first.ID + `\)`, `assistant says: "Quarter 3; say yes"`, `Compare: ` + first.CompareCode,
			`(?m)^  \[[x ]\] \d\. .*\(sales:read\)`, `(?m)^  \[[x ]\] \d\. .*\(sales:export\)`, `192\.0\.2\.7`, `(?m)^Lasts: `, `(?m)^Expires `,
		} {
			require.Regexp(t, line, out)
		}
		_, err = at.poll(secret)
		require.ErrorContains(t, err, "authorization_pending")

		out, err = at.approve("alice", first.ID, "--only", "sales:read")
		require.NoError(t, err, out)
		require.Contains(t, out, "You approved this.")
		got, err := at.poll(secret)
		require.NoError(t, err, "though the session has ended")
		require.Equal(t, "sales:read", got.Scope)

		out, err = at.approve("alice", first.ID, "--deny")
		require.ErrorContains(t, err, "not answered now", out)
		out, err = at.approve("alice", first.ID)
		require.NoError(t, err)
		require.Contains(t, out, "You approved this.")
		live, err := at.store.LiveSessions(context.Background(), first.SubjectID, 100)
		require.NoError(t, err)
		require.Empty(t, live, "it signs out")
	})
}

func TestApproveByNumberDenyAndReport(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		at := newTerminal(t, dialect, "joe")
		first, secret := at.asked("joe")
		second, denied := at.asked("joe")
		out, err := at.approve("joe", "--yes")
		require.ErrorContains(t, err, "2 requests wait", out)
		require.ErrorContains(t, err, second.ID)
		out, err = at.approve("joe", first.ID, "--only", "sales:export")
		require.ErrorContains(t, err, "sales:export cannot be approved", out)
		out, err = at.approve("joe", first.ID, "--only", "sales:dream")
		require.ErrorContains(t, err, "does not ask for sales:dream", out)
		at.types("7\n")
		out, err = at.approve("joe", first.ID)
		require.ErrorContains(t, err, "nothing was answered", out)

		out, err = at.approve("joe", second.ID, "--deny")
		require.NoError(t, err, out)
		require.Contains(t, out, "You denied this.")
		_, err = at.poll(denied)
		require.ErrorContains(t, err, "access_denied")

		out, err = at.approve("joe", "--yes")
		require.NoError(t, err, out)
		got, err := at.poll(secret)
		require.NoError(t, err)
		require.Equal(t, "sales:read", got.Scope, "what joe does not hold was greyed")

		third, _ := at.asked("joe")
		at.types("r\n")
		out, err = at.approve("joe")
		require.NoError(t, err, out)
		require.Contains(t, out, "Denied and reported.")
		row, err := at.store.Approval(context.Background(), third.ID)
		require.NoError(t, err)
		require.Equal(t, []any{models.ApprovalDenied, int64(1)}, []any{row.State, row.Reported})
	})
}

// Only the person who is asked can answer, however well somebody else has signed in.
func TestApproveIsForWhomItIsAsked(t *testing.T) {
	at := newTerminal(t, "sqlite", "joe")
	foreign, _ := at.asked("alice")
	for _, answer := range [][]string{nil, {"--yes"}, {"--deny"}} {
		out, err := at.approve("joe", append([]string{foreign.ID}, answer...)...)
		require.Error(t, err, out)
		require.NotContains(t, out, "Quarter 3")
	}
	row, err := at.store.Approval(context.Background(), foreign.ID)
	require.NoError(t, err)
	require.Equal(t, models.ApprovalPending, row.State)

	out, err := at.approve("alice", foreign.ID, "--yes")
	require.ErrorContains(t, err, "/login says", out)
	at.types("joe\n" + at.world.People["joe"] + "\n")
	out, err = at.deputy("approve")
	require.NoError(t, err, out)
	require.Contains(t, out, "Nothing waits for you.")
	require.NotContains(t, out, at.world.People["joe"])
	at.wrong("can't be used together", "approve", "--yes", "--deny")
	at.wrong("nothing is", "approve", "--deny", "--only", "x")
}

// A device's request is whose code it shows: they name it so, and nobody else can.
func TestApproveADevice(t *testing.T) {
	at := newTerminal(t, "sqlite", "joe")
	at.must("agent", "set", "assistant", "--grant", "device_code")
	var begun struct {
		Device string `json:"device_code"`
		User   string `json:"user_code"`
	}
	r := newRemote(at.url, at.world.Cast["assistant"])
	require.NoError(t, r.form(context.Background(), r.self, "/oauth2/device_authorization",
		url.Values{"scope": {"sales:read"}, "resource": {"https://sales-api.example"}}, &begun))
	out, err := at.approve("joe", "BBBB-BBBB")
	require.ErrorContains(t, err, "/device says", out)
	at.types("\n")
	out, err = at.approve("joe", strings.ToLower(begun.User))
	require.NoError(t, err, out)
	require.Contains(t, out, "! Did you start this yourself")
	require.Contains(t, out, "Compare: "+begun.User)
	out, err = at.approve("joe", begun.User, "--yes")
	require.NoError(t, err, out)
	var got token
	require.NoError(t, r.form(context.Background(), r.self, "/oauth2/token", url.Values{"grant_type": {models.GrantDevice}, "device_code": {begun.Device}}, &got))
	require.Equal(t, "sales:read", got.Scope)
}

// Who has a second factor types its code; a wrong one opens nothing.
func TestApproveWithASecondFactor(t *testing.T) {
	at := newTerminal(t, "sqlite", "joe")
	ctx := context.Background()
	b := newBrowser(at.url)
	p := &petitioned{approveCmd: &approveCmd{Username: "joe", PasswordFile: at.password}, browser: b}
	require.NoError(t, p.signIn(ctx))
	page, err := b.open(ctx, at.url+"/account/security")
	require.NoError(t, err)
	page, err = b.send(ctx, page, &sheet{action: "/account/totp", values: url.Values{}})
	require.NoError(t, err)
	secret := strings.ReplaceAll(wordsOf(page.first(classed("secret"))), " ", "")
	code := func(ahead time.Duration) string {
		made, err := totp.GenerateCode(secret, time.Now().Add(ahead))
		require.NoError(t, err)
		return made
	}
	_, err = p.fill(ctx, page, "/account/totp/confirm", map[string]string{"code": code(-30 * time.Second)})
	require.NoError(t, err)

	asked, _ := at.asked("joe")
	at.types("000000x\n")
	out, err := at.approve("joe", asked.ID, "--yes")
	require.ErrorContains(t, err, "/login/otp says", out)
	at.types(code(0) + "\n")
	out, err = at.approve("joe", asked.ID, "--yes")
	require.NoError(t, err, out)
	require.Contains(t, out, "You approved this.")
}

// What is asked for exactly is shown under it, and nothing is approved that is not.
func TestATerminalShowsDetails(t *testing.T) {
	root, err := html.Parse(strings.NewReader(`<main><h1>pay asks</h1><form action="/approvals/apr_1"><fieldset><legend>At bank</legend><ul>
		<li><label class="scope"><input type="checkbox" name="scope" value="rsv_1 pay:send" checked><span><b>Send money</b> <code>pay:send</code></span></label></li>
		<li><label class="scope"><input type="checkbox" name="detail" value="rsv_1 0"><span><b>Pay 250.00 EUR to ACME</b></span><span class="risk risk-high">High</span></label>
			<dl class="rows"><div><dt>amount</dt> <dd><bdi>250.00` + "\x1b" + `[2J</bdi></dd></div></dl></li>
		<li><label class="scope off"><input type="checkbox" disabled><span><b>Pay more</b> <span class="note">You do not hold this</span></span></label></li>
		<li><label class="scope"><input type="checkbox" disabled checked><span><b>Once you signed in</b></span></label></li>
		</ul></fieldset></form><dl class="facts"><dt>From</dt><dd>192.0.2.7</dd></dl></main>`))
	require.NoError(t, err)
	p := &screen{root: root}
	p.read(root, nil)
	f := p.form("/approvals/apr_1")
	var out strings.Builder
	p.petition(&out, "apr_1", f)
	require.Equal(t, `pay asks  (apr_1)
At bank
  [x] 1. Send money (pay:send)
  [ ] 2. Pay 250.00 EUR to ACME High
         amount 250.00 [2J
  [-] 3. Pay more You do not hold this
  [-] 4. Once you signed in
From: 192.0.2.7
`, out.String())
	boxes, err := f.numbered([]string{"1,", "2"})
	require.NoError(t, err)
	f.tickBoxes(boxes)
	require.Equal(t, url.Values{"scope": {"rsv_1 pay:send"}, "detail": {"rsv_1 0"}}, f.values)
	f.tickBoxes(f.ticked())
	require.Equal(t, url.Values{"scope": {"rsv_1 pay:send"}}, f.values)
	for _, wrong := range []string{"3", "0", "4", "5", "x"} {
		_, err := f.numbered([]string{wrong})
		require.ErrorContains(t, err, "nothing was answered")
	}
	_, err = f.named([]string{"Pay more"})
	require.ErrorContains(t, err, "You do not hold this")
}
