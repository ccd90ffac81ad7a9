package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/api"
	"github.com/deputyauth/deputy/server/feed"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// EventsPath is where events are followed, below the issuer.
const EventsPath = "/events"

// Times of a stream.
const (
	heartbeat     = 15 * time.Second
	decidedAnew   = time.Minute      // how long a decision to let somebody follow holds at most
	streamTimeout = 10 * time.Second // for one write; whoever reads more slowly is cut off, and resumes
)

// events is the feed: Server-Sent Events (WHATWG HTML section 9.2) of what concerns
// the services of a client, or of everything.
func (s *Server) events(c *gin.Context) {
	who, follower, reset, err := s.letIn(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	defer follower.Leave()
	stream := newStream(c.Writer)
	if err := stream.begin(follower.At(), reset); err != nil {
		return
	}
	s.serve(c.Request.Context(), stream, follower, who)
}

// letIn is all that comes before the answer, within the bounds of every request.
func (s *Server) letIn(c *gin.Context) (who *grants.Following, w *feed.Follower, reset bool, err error) {
	select {
	case <-s.feed.Closed(): // nobody is let in any more, so there is nothing to decide
		c.Header("Connection", "close") // the next one leads to another replica
		return nil, nil, false, oauth.Leaving()
	default:
	}
	if !s.Limits.OAuth.Enter() {
		event(c).Limited("in_flight")
		return nil, nil, false, oauth.Busy()
	}
	defer s.Limits.OAuth.Leave()
	ctx, cancel := context.WithTimeout(c.Request.Context(), answerTimeout)
	defer cancel()
	who, after, err := s.follow(ctx, c)
	if err != nil {
		return nil, nil, false, err
	}
	w, reset, err = s.join(ctx, who, after)
	return who, w, reset, err
}

// follow asks policy, and reads from where on the follower wants to hear.
func (s *Server) follow(ctx context.Context, c *gin.Context) (*grants.Following, *models.Position, error) {
	q, problem := oauth.ParseFollow(c.Request)
	if problem != nil {
		return nil, nil, s.Endpoint.Refuse(ctx, call(c), policies.Follow, q.Client.ID, problem)
	}
	var who *grants.Following
	var err error
	if q.Bearer != "" {
		if who, err = s.Endpoint.FollowAll(ctx, call(c), q.Bearer); err != nil {
			s.challengeFollower(c, err)
		}
	} else {
		who, err = s.Endpoint.Follow(ctx, call(c), q.Client)
	}
	if err != nil || q.LastEventID == "" {
		return who, nil, err
	}
	at, ok := models.ParsePosition(q.LastEventID)
	if !ok {
		return nil, nil, oauth.Errorf(oauth.InvalidRequest, "Last-Event-ID is none that was sent from here.").Named("position_malformed")
	}
	return who, &at, nil
}

// join lets the follower in. reset tells that what it missed cannot be told any more.
func (s *Server) join(ctx context.Context, who *grants.Following, after *models.Position) (w *feed.Follower, reset bool, err error) {
	w, err = s.feed.Join(ctx, who.Name, after)
	if reset = errors.Is(err, models.ErrGone); reset {
		w, err = s.feed.Join(ctx, who.Name, nil)
	}
	switch {
	case errors.Is(err, feed.ErrFull):
		err = oauth.TooMany(heartbeat).Named("followers")
	case errors.Is(err, feed.ErrClosed):
		err = oauth.Leaving()
	case err != nil:
		err = oauth.Errorf(oauth.TemporarilyUnavailable, "Try again in a moment.").Because(err)
	}
	return w, reset, err
}

// serve sends what comes until the follower is gone, may not follow any more, or the
// server stops. Facts are at least as new as what was read, so whoever was stopped by
// an entry is sent nothing that comes after it.
func (s *Server) serve(ctx context.Context, out *stream, w *feed.Follower, who *grants.Following) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	decided := time.Now()
	for {
		events, at, more, err := s.next(ctx, w)
		if err != nil {
			return // it resumes where there is a database
		}
		if !who.Stands() || time.Since(decided) >= decidedAnew {
			if who, err = s.again(ctx, who); err != nil {
				return
			}
			decided = time.Now()
		}
		if err := out.send(who, events); err != nil {
			return
		}
		if more == nil {
			continue
		}
		select {
		case <-more:
		case <-beat.C:
			err = out.beat(at)
		case <-ctx.Done():
			return
		case <-s.feed.Closed():
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *Server) next(ctx context.Context, w *feed.Follower) ([]models.Event, models.Position, <-chan struct{}, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return w.Next(ctx)
}

func (s *Server) again(ctx context.Context, who *grants.Following) (*grants.Following, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return who.Again(ctx)
}

// challengeFollower says how to do better next time (RFC 6750 section 3, RFC 9728
// section 5.1).
func (s *Server) challengeFollower(c *gin.Context, err error) {
	var refusal *oauth.Error
	if !errors.As(err, &refusal) || refusal.Code != oauth.InvalidToken && refusal.Code != oauth.InsufficientScope {
		return
	}
	host := strings.TrimSuffix(s.Issuer, s.base)
	c.Header("WWW-Authenticate", fmt.Sprintf(`Bearer realm="deputy", error="%s", error_description="%s", scope="events:read", resource_metadata="%s"`,
		refusal.Code, oauth.Clean(refusal.Description), host+"/.well-known/oauth-protected-resource"+s.base+api.Prefix))
}

// stream writes Server-Sent Events.
type stream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration // with one write
}

func newStream(w http.ResponseWriter) *stream {
	return &stream{w: w, control: http.NewResponseController(w), patience: streamTimeout}
}

// begin answers. The bounds of other requests are not this one's.
func (o *stream) begin(at models.Position, reset bool) error {
	if err := o.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	h := o.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // of proxies that gather answers
	text := "retry: 1000\nid: " + at.String() + "\n"
	if reset {
		text += "event: " + models.EventReset + "\ndata: {\"type\":\"" + models.EventReset + "\"}\n"
	}
	return o.write(text + "\n")
}

func (o *stream) write(text string) error {
	if err := o.control.SetWriteDeadline(time.Now().Add(o.patience)); err != nil {
		return err
	}
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.control.Flush()
}

// beat shows that the stream lives, and moves the follower's place on: from a long
// silence, too, it can resume.
func (o *stream) beat(at models.Position) error {
	return o.write(": " + time.Now().UTC().Format(time.RFC3339) + "\nid: " + at.String() + "\n\n")
}

func (o *stream) send(who *grants.Following, events []models.Event) error {
	var text strings.Builder
	for _, e := range events {
		if !who.Sees(e) {
			continue
		}
		data, err := json.Marshal(grants.Tell(e, who))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "id: %s\nevent: %s\ndata: %s\n\n", e.Position, e.Type, data)
	}
	if text.Len() == 0 {
		return nil
	}
	return o.write(text.String())
}
