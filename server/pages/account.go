package pages

import (
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/people"
)

// own is what a page shows of whose account it is.
func (h *handler) own(c *gin.Context, who grants.Person) (*models.User, Member, error) {
	user, err := h.Store.User(c.Request.Context(), who.UserID)
	if err != nil {
		return nil, Member{}, err
	}
	name := user.Name
	if name == "" {
		name = user.Username
	}
	waits, err := h.Approvals.Waiting(c.Request.Context(), who)
	if err != nil {
		return nil, Member{}, err
	}
	return user, Member{Name: name, Waits: len(waits)}, nil
}

func (h *handler) security(c *gin.Context, who grants.Person) {
	h.showSecurity(c, who, http.StatusOK, Form{}, nil)
}

func (h *handler) showSecurity(c *gin.Context, who grants.Person, status int, f Form, done *Notice) {
	ctx := c.Request.Context()
	user, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	member.Notice = done
	view := Security{Form: f, Member: member, Username: user.Username}
	password, noPassword := h.Store.Password(ctx, who.UserID)
	factor, noFactor := h.Store.TOTP(ctx, who.UserID)
	keys, err := h.Store.Passkeys(ctx, who.UserID)
	for _, e := range []error{noPassword, noFactor, err, h.linked(c, who.UserID, &view)} {
		if e != nil && !errors.Is(e, models.ErrNotFound) {
			h.broken(c, e)
			return
		}
	}
	if noPassword == nil {
		view.PasswordSet = time.Unix(password.ChangedAt, 0)
	}
	view.TOTP, view.Passkeys = noFactor == nil && factor.ConfirmedAt != 0, len(keys)
	h.Render.Page(c, status, "security", view)
}

func (h *handler) changePassword(c *gin.Context, who grants.Person) {
	by, err := h.may(c, who, "changePassword", "")
	if err == nil {
		err = differ(c)
	}
	if err == nil {
		err = h.People.ChangePassword(c.Request.Context(), h.Call(c), by, h.browser(c), who, form(c, "current"), form(c, "password"))
	}
	if err != nil {
		h.wrong(c, err, func(status int, f Form) {
			if f.Problems[0].Code == "sign_in_failed" {
				f.Problems[0] = Problem{Code: "password_wrong", Field: "current"}
			}
			h.showSecurity(c, who, status, f, nil)
		})
		return
	}
	h.showSecurity(c, who, http.StatusOK, Form{}, &Notice{Code: "password_changed", Good: true})
}

func (h *handler) addTOTP(c *gin.Context, who grants.Person) {
	var factor *people.Factor
	by, err := h.may(c, who, "addSecondFactor", "")
	if err == nil {
		factor, err = h.People.PrepareTOTP(c.Request.Context(), by, who)
	}
	if err != nil {
		h.wrong(c, err, func(status int, f Form) { h.showSecurity(c, who, status, f, nil) })
		return
	}
	h.showTOTP(c, who, http.StatusOK, Form{}, factor)
}

func (h *handler) showTOTP(c *gin.Context, who grants.Person, status int, f Form, factor *people.Factor) {
	_, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	var groups []string
	for group := range slices.Chunk([]byte(factor.Secret), 4) {
		groups = append(groups, string(group))
	}
	h.Render.Page(c, status, "totp", TOTP{Form: f, Member: member, Secret: strings.Join(groups, " "), Link: template.URL(factor.URL)})
}

// confirmTOTP turns the second factor on. After a wrong code the same secret is
// shown again, which is in the app by now.
func (h *handler) confirmTOTP(c *gin.Context, who grants.Person) {
	by, err := h.may(c, who, "addSecondFactor", "")
	if err == nil {
		err = h.People.ConfirmTOTP(c.Request.Context(), h.Call(c), by, h.browser(c), who, form(c, "code"))
	}
	if err == nil {
		h.showSecurity(c, who, http.StatusOK, Form{}, &Notice{Code: "totp_added", Good: true})
		return
	}
	h.wrong(c, err, func(status int, f Form) {
		factor, err := h.People.PreparedTOTP(c.Request.Context(), who)
		if err != nil {
			h.broken(c, err)
			return
		}
		if factor == nil {
			h.showSecurity(c, who, status, f, nil)
			return
		}
		h.showTOTP(c, who, status, f, factor)
	})
}

func (h *handler) removeTOTP(c *gin.Context, who grants.Person) {
	by, err := h.may(c, who, "removeSecondFactor", "")
	if err == nil {
		err = h.People.RemoveTOTP(c.Request.Context(), by, who)
	}
	if err != nil {
		h.wrong(c, err, func(status int, f Form) { h.showSecurity(c, who, status, f, nil) })
		return
	}
	h.showSecurity(c, who, http.StatusOK, Form{}, &Notice{Code: "totp_removed", Good: true})
}

func (h *handler) sessions(c *gin.Context, who grants.Person) {
	_, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	rows, err := h.People.Sessions(c.Request.Context(), who.UserID)
	if err != nil {
		h.broken(c, err)
		return
	}
	view := Sessions{Member: member}
	for _, row := range rows {
		view.Sessions = append(view.Sessions, Session{
			ID: row.ID, Device: device(row.UserAgent), IP: row.IP, SignedIn: time.Unix(row.CreatedAt, 0), Seen: time.Unix(row.LastSeenAt, 0),
			How: how(row), Current: row.ID == who.SessionID,
		})
	}
	h.Render.Page(c, http.StatusOK, "sessions", view)
}

// how is by what somebody signed in.
func how(s models.Session) string {
	switch {
	case s.UpstreamID != "":
		return "provider"
	case slices.Contains(s.AMR, "otp"):
		return "otp"
	case slices.Contains(s.AMR, "pwd"):
		return "pwd"
	}
	return "passkey"
}

// device is what a browser says of itself, in few words.
func device(agent string) string {
	first := func(names ...string) string {
		for _, name := range names {
			if mark, shown, _ := strings.Cut(name, "="); strings.Contains(agent, mark) {
				if shown == "" {
					return mark
				}
				return shown
			}
		}
		return "?"
	}
	return first("Edg/=Edge", "OPR/=Opera", "Firefox", "Chrome", "Safari", "curl") + ", " + first("iPhone", "iPad", "Android", "Windows", "Mac OS X=macOS", "Linux")
}

func (h *handler) endSession(c *gin.Context, who grants.Person) {
	by, err := h.may(c, who, "endSession", c.Param("id"))
	if err == nil {
		err = h.Store.RevokeSession(c.Request.Context(), by, who.UserID, c.Param("id"))
	}
	if err != nil && !errors.Is(err, models.ErrNotFound) { // gone, or somebody else's: the list shows what there is
		h.notDone(c, err)
		return
	}
	h.to(c, "/account/sessions")
}

func (h *handler) endOthers(c *gin.Context, who grants.Person) {
	by, err := h.may(c, who, "endSessions", "")
	if err == nil {
		err = h.Store.RevokeSessions(c.Request.Context(), by, who.UserID, who.SessionID)
	}
	if err != nil {
		h.notDone(c, err)
		return
	}
	h.to(c, "/account/sessions")
}

func (h *handler) passkeys(c *gin.Context, who grants.Person) {
	_, member, err := h.own(c, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	rows, err := h.Store.Passkeys(c.Request.Context(), who.UserID)
	if err != nil {
		h.broken(c, err)
		return
	}
	view := Passkeys{Member: member}
	for _, row := range rows {
		key := Passkey{ID: row.ID, Name: row.Name, Added: time.Unix(row.CreatedAt, 0)}
		if row.LastUsedAt != 0 {
			key.Used = time.Unix(row.LastUsedAt, 0)
		}
		view.Passkeys = append(view.Passkeys, key)
	}
	h.Render.Page(c, http.StatusOK, "passkeys", view)
}

func (h *handler) newPasskeyOptions(c *gin.Context, who grants.Person) {
	_, err := h.may(c, who, "addPasskey", "")
	if err != nil {
		h.tell(c, nil, err)
		return
	}
	options, err := h.People.NewPasskeyOptions(c.Request.Context(), who)
	h.tell(c, options, err)
}

func (h *handler) addPasskey(c *gin.Context, who grants.Person) {
	body, ok := h.json(c)
	if !ok {
		return
	}
	by, err := h.may(c, who, "addPasskey", "")
	if err == nil {
		_, err = h.People.AddPasskey(c.Request.Context(), h.Call(c), by, who, device(c.Request.UserAgent()), body)
	}
	if err != nil {
		h.tell(c, nil, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"location": h.base + "/account/passkeys"})
}

func (h *handler) removePasskey(c *gin.Context, who grants.Person) {
	by, err := h.may(c, who, "removePasskey", c.Param("id"))
	if err == nil {
		err = h.Store.RevokePasskey(c.Request.Context(), by, who.UserID, c.Param("id"))
	}
	if err != nil && !errors.Is(err, models.ErrNotFound) {
		h.wrong(c, err, func(status int, f Form) { h.showSecurity(c, who, status, f, nil) })
		return
	}
	h.to(c, "/account/passkeys")
}
