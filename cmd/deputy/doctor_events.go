package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/deputyauth/deputy/server"
	"github.com/deputyauth/deputy/server/oauth"
)

// streamPatience is how long the beginning of a stream may take, which a server sends
// at once.
const streamPatience = 5 * time.Second

// What helps where the feed does not come through.
const (
	passEventsDo = "have the proxy pass " + server.EventsPath + " on, with its headers, unchanged"
	gathersDo    = "have the proxy send on at once what comes of " + server.EventsPath + ": without buffering it, or compressing it (nginx: proxy_buffering off)"
	followDo     = "give --client-id and --client-secret of who operates a service, or has events:read"
)

// events looks at the feed as somebody who shows nothing, and opens it as who was given.
func (p *patient) events(ctx context.Context) {
	p.stranger(ctx)
	if p.as.ID != "" {
		p.follower(ctx)
	}
}

func (p *patient) open(ctx context.Context, show func(*http.Request)) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.issuer+server.EventsPath, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	show(req)
	return p.http.Do(req)
}

// stranger sees that the feed is there, and not for everybody.
func (p *patient) stranger(ctx context.Context) {
	const check = "events"
	resp, err := p.open(ctx, func(*http.Request) {})
	if err != nil {
		p.fail(check, passOn(err), "%v", err)
		return
	}
	defer resp.Body.Close()
	var told refused
	if resp.StatusCode != http.StatusOK { // that may be a stream, which does not end
		_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&told)
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		p.fail(check, "find out what shows credentials in place of who asks", "whoever shows nothing may follow")
	case resp.StatusCode != http.StatusUnauthorized || told.Code != oauth.InvalidClient:
		p.fail(check, passEventsDo, "whoever shows nothing is answered %d %q, where a server says 401 %q", resp.StatusCode, told.Code, oauth.InvalidClient)
	case resp.Header.Get("WWW-Authenticate") == "":
		p.fail(check, passEventsDo, "who is refused is not told how to authenticate: there is no WWW-Authenticate")
	default:
		p.ok(check, "services find the feed, and nobody follows it who shows nothing")
	}
}

// follower opens the feed as the operator of a service, or else as an administrator.
func (p *patient) follower(ctx context.Context) {
	const check = "events: stream"
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.patience, streamPatience))
	defer cancel()
	begin := time.Now()
	who := "a service"
	err := p.begins(ctx, func(req *http.Request) { req.SetBasicAuth(url.QueryEscape(p.as.ID), url.QueryEscape(p.as.Secret)) })
	var no *refused
	if errors.As(err, &no) && no.Code == oauth.UnauthorizedClient {
		who = "an administrator"
		var t token
		if t, err = newRemote(p.issuer, p.as).clientCredentials(ctx, p.as, p.issuer+"/api/v1", "events:read"); err == nil {
			err = p.begins(ctx, func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+t.Access) })
		}
	}
	var network *url.Error
	switch {
	case err == nil:
		p.ok(check, "it opens for %s, and begins at once: within %v", who, time.Since(begin).Round(time.Millisecond))
	case errors.As(err, &no) && no.Status == http.StatusTooManyRequests:
		p.warn(check, "have followers hang up that nobody needs, or add a replica", "there are as many followers as there may be")
	case errors.As(err, &no) && no.Status == http.StatusUnauthorized:
		p.fail(check, followDo, "%s is refused: %v", p.as.ID, no)
	case errors.As(err, &no) && no.Status < http.StatusInternalServerError:
		p.warn(check, followDo, "%s may follow nothing: %v", p.as.ID, no)
	case errors.Is(err, context.DeadlineExceeded):
		p.fail(check, gathersDo, "nothing of the stream came within %v", cmp.Or(p.patience, streamPatience))
	case errors.As(err, &network):
		p.fail(check, passOn(err), "%v", err)
	default:
		p.fail(check, passEventsDo, "%v", err)
	}
}

// begins opens the feed and waits for what a server sends at once: where the follower
// is.
func (p *patient) begins(ctx context.Context, show func(*http.Request)) error {
	resp, err := p.open(ctx, show)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		no := &refused{Status: resp.StatusCode}
		_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(no)
		return no
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		return errors.New("what is answered is no stream of events, but " + cmp.Or(kind, "of no type"))
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "id:") {
			return nil
		}
	}
	return cmp.Or(lines.Err(), errors.New("the stream ended before it began"))
}
