package pages

import (
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/people"
)

// login shows the form to sign in; while nobody administers, it says that set-up
// comes first.
func (h *handler) login(c *gin.Context) {
	needed, err := h.People.SetupNeeded(c.Request.Context())
	if err != nil {
		h.broken(c, err)
		return
	}
	view, ok := h.signInView(c, c.Query("return"))
	if !ok {
		return
	}
	if needed {
		view.Notice = &Notice{Code: "setup_needed"}
	}
	h.Render.Page(c, http.StatusOK, "signin", view)
}

func (h *handler) signIn(c *gin.Context) {
	back, username := h.returned(form(c, "return")), form(c, "username")
	in, err := h.People.SignIn(c.Request.Context(), h.Call(c), h.browser(c), username, form(c, "password"))
	if err != nil {
		h.wrong(c, err, func(status int, f Form) {
			if view, ok := h.signInView(c, back); ok {
				view.Form, view.Username = f, username
				h.Render.Page(c, status, "signin", view)
			}
		})
		return
	}
	if in.Pending != "" {
		h.set(c, signinCookie, in.Pending, people.SecondStep)
		h.to(c, h.onward(c, withReturn("/login/otp", back), back))
		return
	}
	h.entered(c, in)
	h.to(c, h.onward(c, h.target(back), back))
}

// onward is where a sign-in goes on. A browser that brought no cookie of ours may be
// one that keeps none, which is looked at first.
func (h *handler) onward(c *gin.Context, path, id string) string {
	for _, name := range []string{sessionCookie, deviceCookie, signinCookie} {
		if h.cookie(c, name) != "" {
			return path
		}
	}
	return withReturn("/login/check", id)
}

// checked goes on with a sign-in if the browser kept what it was given. If not, it is
// told so: it would go round between this and the form.
func (h *handler) checked(c *gin.Context) {
	id := h.returned(c.Query("return"))
	switch {
	case h.cookie(c, sessionCookie) != "":
		h.to(c, h.target(id))
	case h.cookie(c, signinCookie) != "":
		h.to(c, withReturn("/login/otp", id))
	default:
		h.Render.Page(c, http.StatusBadRequest, "error", Failure{Code: "no_cookie", Back: withReturn("/login", id)})
	}
}

func withReturn(path, id string) string {
	if id == "" {
		return path
	}
	return path + "?return=" + id // an id of ours, and a name, need no escaping
}

// secondFactor asks for the code that completes a sign-in.
func (h *handler) secondFactor(c *gin.Context) {
	if h.cookie(c, signinCookie) == "" {
		h.to(c, "/login")
		return
	}
	back := h.returned(c.Query("return"))
	if waiting, ok := h.waiting(c, back); ok {
		h.Render.Page(c, http.StatusOK, "secondfactor", SecondFactor{Return: back, Waiting: waiting})
	}
}

func (h *handler) giveCode(c *gin.Context) {
	back := h.returned(form(c, "return"))
	in, err := h.People.SecondFactor(c.Request.Context(), h.Call(c), h.browser(c), h.cookie(c, signinCookie), form(c, "code"))
	if err != nil {
		h.wrong(c, err, func(status int, f Form) {
			if waiting, ok := h.waiting(c, back); ok {
				h.Render.Page(c, status, "secondfactor", SecondFactor{Form: f, Return: back, Waiting: waiting})
			}
		})
		return
	}
	h.entered(c, in)
	h.to(c, h.target(back))
}

// passkeyOptions and signInWithPasskey speak JSON: without a script there are no passkeys.
func (h *handler) passkeyOptions(c *gin.Context) {
	options, err := h.People.PasskeyOptions()
	h.tell(c, options, err)
}

func (h *handler) signInWithPasskey(c *gin.Context) {
	body, ok := h.json(c)
	if !ok {
		return
	}
	in, err := h.People.SignInWithPasskey(c.Request.Context(), h.Call(c), h.browser(c), body)
	if err != nil {
		h.tell(c, nil, err)
		return
	}
	h.entered(c, in)
	id := h.returned(c.Query("return"))
	c.JSON(http.StatusOK, gin.H{"location": h.base + h.onward(c, h.target(id), id)})
}

// json is the body of a request that must be JSON: a form of another site cannot
// send that.
func (h *handler) json(c *gin.Context) ([]byte, bool) {
	body, err := io.ReadAll(c.Request.Body)
	if err != nil || c.ContentType() != "application/json" {
		c.JSON(http.StatusUnsupportedMediaType, gin.H{"error": "other"})
		return nil, false
	}
	return body, true
}

// tell answers a script.
func (h *handler) tell(c *gin.Context, body []byte, err error) {
	if err == nil {
		c.Data(http.StatusOK, "application/json", body)
		return
	}
	h.wrongJSON(c, err)
}
