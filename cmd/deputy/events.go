package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

type eventsCmd struct {
	connection
	Service bool   `help:"Follow as the client that operates a service: what concerns its services. It needs no right."`
	Since   string `help:"Begin after this event (its id), instead of now." placeholder:"ID"`
	JSON    bool   `name:"json" help:"Print events as they come, one JSON document a line."`
	Count   int    `help:"Stop after so many events; 0: go on." placeholder:"N"`
}

// Times between attempts to follow again.
const (
	firstAgain   = time.Second
	longestAgain = 30 * time.Second
	// silence is how long a stream may be silent: it lives only if it beats.
	silence = time.Minute
)

// Run follows events until it is interrupted. A stream that ends is taken up where it
// ended: no event is lost, none comes twice.
func (c *eventsCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	r.scopes = "events:read"
	f := &eventFollower{remote: r, service: c.Service, last: c.Since, show: c.shown(io.out)}
	wait := firstAgain
	for {
		before := f.last
		err := f.follow(ctx)
		var no *refused
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errEnough):
			return nil
		case errors.As(err, &no) && no.Status < 500 && no.Status != http.StatusTooManyRequests:
			return err
		}
		if f.last != before {
			wait = firstAgain
		}
		fmt.Fprintf(io.err, "the stream ended (%v); going on in %s\n", cmp.Or(err, errEnded), wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, longestAgain)
	}
}

var (
	errEnough = errors.New("enough")
	errEnded  = errors.New("the server ended it")
)

// shown prints an event, and tells when it was the last one wanted.
func (c *eventsCmd) shown(out io.Writer) func(data string) error {
	count := 0
	return func(data string) error {
		if c.JSON {
			fmt.Fprintln(out, data)
		} else {
			fmt.Fprintln(out, eventLine(data))
		}
		if count++; count == c.Count {
			return errEnough
		}
		return nil
	}
}

// eventLine is an event for people to read.
func eventLine(data string) string {
	var e map[string]any
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return data
	}
	if e["type"] == "reset" {
		return "reset: what came before now cannot be told any more"
	}
	text := fmt.Sprintf("%v  %-22v", e["time"], e["type"])
	for _, name := range []string{"client_id", "sub", "grant_id", "jti", "consent_id", "credential_id", "kid", "resource_server_id", "role_id", "group_id", "session_id", "revision"} {
		if v, ok := e[name]; ok {
			text += fmt.Sprintf(" %s=%v", name, v)
		}
	}
	if aud, ok := e["aud"].([]any); ok {
		text += fmt.Sprintf(" aud=%v", aud)
	}
	return text
}

// eventFollower reads a stream of events as it is sent (WHATWG HTML section 9.2).
type eventFollower struct {
	remote  *remote
	service bool
	last    string // id of what came last
	show    func(data string) error
}

// follow opens the stream, anew with another token if the one there is has ended, and
// reads it to its end.
func (f *eventFollower) follow(ctx context.Context) error {
	err := f.once(ctx)
	var no *refused
	if !f.service && errors.As(err, &no) && no.Status == http.StatusUnauthorized {
		if err = f.remote.carry(ctx, f.remote.scopes); err == nil {
			err = f.once(ctx)
		}
	}
	return err
}

func (f *eventFollower) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.remote.issuer+"/events", nil)
	if err != nil {
		return err
	}
	if f.last != "" {
		req.Header.Set("Last-Event-ID", f.last)
	}
	if f.service {
		req.SetBasicAuth(url.QueryEscape(f.remote.self.ID), url.QueryEscape(f.remote.self.Secret))
	} else {
		if f.remote.bearer == "" {
			if err := f.remote.carry(ctx, f.remote.scopes); err != nil {
				return err
			}
		}
		req.Header.Set("Authorization", "Bearer "+f.remote.bearer)
	}
	resp, err := (&http.Client{}).Do(req) // without a bound: it lasts
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", f.remote.issuer, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		no := &refused{Status: resp.StatusCode}
		_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(no)
		return no
	}
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	return f.read(resp.Body, func() { watch.Reset(silence) })
}

// read shows the events of a stream. alive is called for all that comes.
func (f *eventFollower) read(body io.Reader, alive func()) error {
	var data []string
	lines, id := bufio.NewScanner(body), f.last
	for lines.Scan() {
		alive()
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			f.last = id
			if len(data) == 0 {
				continue
			}
			text := strings.Join(slices.Clone(data), "\n")
			data = nil
			if err := f.show(text); err != nil {
				return err
			}
		case name == "id":
			id = value
		case name == "data":
			data = append(data, value)
		}
	}
	return lines.Err()
}
