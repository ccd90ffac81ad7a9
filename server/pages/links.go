package pages

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/people"
)

// wrongJSON is wrong, for scripts.
func (h *handler) wrongJSON(c *gin.Context, err error) {
	var p *people.Problem
	if !errors.As(err, &p) {
		h.Call(c).Event.Because(err)
		c.JSON(http.StatusInternalServerError, gin.H{"error": "server_error"})
		return
	}
	if p.Reason == signInTooOld || p.Reason == loginRequired {
		c.JSON(http.StatusUnauthorized, gin.H{"error": "sign_in_again", "location": h.base + h.loginFor(c)})
		return
	}
	c.JSON(h.status(c, p), gin.H{"error": worded(p).Code})
}

// differ is the problem of two passwords that are not the same; nil if they are.
func differ(c *gin.Context) error {
	if form(c, "password") != form(c, "again") {
		return &people.Problem{Reason: "password_differs", Field: "again"}
	}
	return nil
}

// setup shows the form for the first person.
func (h *handler) setup(c *gin.Context) {
	err := h.People.SetupLink(c.Request.Context(), h.Call(c), c.Param("token"))
	if err != nil {
		h.wrong(c, err, nil)
		return
	}
	h.Render.Page(c, http.StatusOK, "setup", Setup{Action: "/setup/" + c.Param("token")})
}

func (h *handler) setUp(c *gin.Context) {
	token := c.Param("token")
	view := Setup{Action: "/setup/" + token, Name: form(c, "name"), Username: form(c, "username"), Email: form(c, "email")}
	var in *people.SignedIn
	err := differ(c)
	if err == nil {
		n := people.NewUser{Username: view.Username, Name: view.Name, Email: view.Email, Password: form(c, "password")}
		in, err = h.People.SetUp(c.Request.Context(), h.Call(c), h.browser(c), token, n)
	}
	if err != nil {
		h.wrong(c, err, func(status int, f Form) {
			view.Form = f
			h.Render.Page(c, status, "setup", view)
		})
		return
	}
	h.entered(c, in)
	h.to(c, "/account")
}

// newPassword shows the form behind an invitation or a recovery link.
func (h *handler) newPassword(purpose string) gin.HandlerFunc {
	return func(c *gin.Context) {
		user, err := h.People.Invited(c.Request.Context(), h.Call(c), c.Param("token"))
		if err != nil {
			h.wrong(c, err, nil)
			return
		}
		h.Render.Page(c, http.StatusOK, "newpassword", NewPassword{Purpose: purpose, Action: "/" + purpose + "/" + c.Param("token"), Username: user.Username})
	}
}

func (h *handler) chooseNew(purpose string) gin.HandlerFunc {
	return func(c *gin.Context) {
		token := c.Param("token")
		user, err := h.People.Invited(c.Request.Context(), h.Call(c), token)
		if err != nil {
			h.wrong(c, err, nil)
			return
		}
		var in *people.SignedIn
		if err = differ(c); err == nil {
			in, err = h.People.Recover(c.Request.Context(), h.Call(c), h.browser(c), token, form(c, "password"))
		}
		if err != nil {
			h.wrong(c, err, func(status int, f Form) {
				h.Render.Page(c, status, "newpassword", NewPassword{Form: f, Purpose: purpose, Action: "/" + purpose + "/" + token, Username: user.Username})
			})
			return
		}
		h.entered(c, in)
		h.to(c, "/account")
	}
}
