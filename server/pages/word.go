package pages

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/people"
	"github.com/deputyauth/deputy/server/word"
)

// Messages is how word reaches people (word.Word).
type Messages interface {
	Names() []string
	Reaches(ctx context.Context, userID string) ([]string, error)
	Test(ctx context.Context, channel, userID string) error
	Address(ctx context.Context, userID string) (string, error)
	PushKey(ctx context.Context) (string, error)
	Languages() []word.Language
	Mails() (mails []word.Envelope, there bool)
}

func (h *handler) word(c *gin.Context, who grants.Person) {
	h.showWord(c, who, http.StatusOK, Form{}, WordPage{})
}

// showWord shows how word reaches somebody. view says what has just been done.
func (h *handler) showWord(c *gin.Context, who grants.Person, status int, f Form, view WordPage) {
	ctx := c.Request.Context()
	user, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	member.Notice = view.Notice
	view.Member, view.Form = member, f
	if err := h.fillWord(ctx, user, &view); err != nil {
		h.broken(c, err)
		return
	}
	h.Render.Page(c, status, "word", view)
}

func (h *handler) fillWord(ctx context.Context, user *models.User, view *WordPage) error {
	on, err := h.Word.Reaches(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, name := range h.Word.Names() {
		view.Channels = append(view.Channels, WordChannel{Name: name, On: slices.Contains(on, name)})
	}
	view.Reached, view.Languages = len(on) > 0, h.Word.Languages()
	if view.Address, err = h.Word.Address(ctx, user.ID); err != nil {
		return err
	}
	if view.UserCode, err = h.Store.HasUserCode(ctx, user.ID); err != nil {
		return err
	}
	chosen, err := h.Store.WordSettings(ctx, user.ID)
	if err != nil {
		return err
	}
	if view.Lang = chosen.Lang; view.Lang == "" && len(view.Languages) > 0 {
		view.Lang = view.Languages[0].Tag
	}
	if !slices.Contains(h.Word.Names(), "push") {
		return nil
	}
	if view.PushKey, err = h.Word.PushKey(ctx); err != nil {
		return err
	}
	view.Push = true
	rows, err := h.Store.Subscriptions(ctx, user.ID)
	for _, row := range rows {
		view.Browsers = append(view.Browsers, Browser{ID: row.ID, Device: row.Device, Since: time.Unix(row.CreatedAt, 0)})
	}
	return err
}

// setWord changes in which language somebody is told.
func (h *handler) setWord(c *gin.Context, who grants.Person) {
	lang := form(c, "lang")
	if !slices.ContainsFunc(h.Word.Languages(), func(l word.Language) bool { return l.Tag == lang }) {
		h.showWord(c, who, http.StatusUnprocessableEntity, Form{[]Problem{{Field: "lang", Code: "other"}}}, WordPage{})
		return
	}
	by, err := h.may(c, who, "setWord", "")
	if err == nil {
		err = h.Store.SetWord(c.Request.Context(), by, models.WordSettings{UserID: who.UserID, Lang: lang})
	}
	if err != nil {
		h.wrong(c, err, func(status int, f Form) { h.showWord(c, who, status, f, WordPage{}) })
		return
	}
	h.showWord(c, who, http.StatusOK, Form{}, noticed("word_saved", ""))
}

func noticed(code, name string) WordPage {
	return WordPage{Member: Member{Notice: &Notice{Code: code, Name: name, Good: true}}}
}

// testWord sends somebody a test by one channel. What goes wrong is shown as it came
// back: they are the ones to pass it on.
func (h *handler) testWord(c *gin.Context, who grants.Person) {
	_, err := h.may(c, who, "testWord", "")
	if err != nil {
		h.wrong(c, err, func(status int, f Form) { h.showWord(c, who, status, f, WordPage{}) })
		return
	}
	err = h.Word.Test(c.Request.Context(), form(c, "channel"), who.UserID)
	var soon *word.TooSoon
	switch {
	case err == nil:
		h.showWord(c, who, http.StatusOK, Form{}, noticed("word_sent", ""))
	case errors.As(err, &soon):
		h.wrong(c, &people.Problem{Reason: "busy", Wait: soon.Wait}, func(status int, f Form) { h.showWord(c, who, status, f, WordPage{}) })
	case errors.Is(err, models.ErrUnavailable):
		h.broken(c, err)
	default:
		h.showWord(c, who, http.StatusBadGateway, Form{}, WordPage{Failed: err.Error()})
	}
}

// addSubscription takes what a browser's push service gave it.
func (h *handler) addSubscription(c *gin.Context, who grants.Person) {
	body, ok := h.json(c)
	if !ok {
		return
	}
	var made struct {
		Endpoint string `json:"endpoint"`
		Keys     struct {
			P256dh string `json:"p256dh"`
			Auth   string `json:"auth"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(body, &made); err != nil {
		h.tell(c, nil, &people.Problem{Reason: "other"})
		return
	}
	by, err := h.may(c, who, "addSubscription", "")
	if err == nil {
		err = h.Store.Subscribe(c.Request.Context(), by, &models.Subscription{
			UserID: who.UserID, Endpoint: made.Endpoint, Device: device(c.Request.UserAgent()),
			P256dh: strings.TrimRight(made.Keys.P256dh, "="), Auth: strings.TrimRight(made.Keys.Auth, "="),
		})
	}
	var invalid *models.Invalid
	if errors.As(err, &invalid) {
		err = &people.Problem{Reason: "other"}
	}
	if err != nil {
		h.tell(c, nil, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"location": h.base + "/account/word"})
}

func (h *handler) removeSubscription(c *gin.Context, who grants.Person) {
	by, err := h.may(c, who, "removeSubscription", c.Param("id"))
	if err == nil {
		err = h.Store.Unsubscribe(c.Request.Context(), by, who.UserID, c.Param("id"))
	}
	if err != nil && !errors.Is(err, models.ErrNotFound) { // gone, or somebody else's: the list shows what there is
		h.notDone(c, err)
		return
	}
	h.to(c, "/account/word")
}

// mailbox shows mails that went nowhere, to who sits at this machine. The name that was
// asked for must be this server's: a page elsewhere may have a name of its own lead here.
func (h *handler) mailbox(c *gin.Context) {
	host, _, err := net.SplitHostPort(c.Request.RemoteAddr)
	mails, there := h.Word.Mails()
	if err != nil || !net.ParseIP(host).IsLoopback() || c.Request.Host != h.host || !there {
		h.Render.Page(c, http.StatusNotFound, "error", Failure{Code: "not_found"})
		return
	}
	view := Mailbox{}
	for _, m := range mails {
		view.Mails = append(view.Mails, Mail{To: m.To.Address, Subject: m.Subject, Text: m.Text, Link: safeLink(m.Link), At: m.At})
	}
	h.Render.Page(c, http.StatusOK, "mailbox", view)
}
