package pages

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/people"
)

// Cookies. On https their names begin with __Host-, so that no other host and no
// plain connection can set them (RFC 6265bis section 4.1.3.2).
const (
	sessionCookie = "deputy_session"
	deviceCookie  = "deputy_device" // says that somebody signed in here before
	signinCookie  = "deputy_signin" // between password and second factor
)

func (h *handler) cookieName(name string) string {
	if h.secure {
		return "__Host-" + name
	}
	return name
}

func (h *handler) cookie(c *gin.Context, name string) string {
	found, err := c.Request.Cookie(h.cookieName(name))
	if err != nil {
		return ""
	}
	return found.Value
}

// set gives the browser a cookie for so long; 0: until it is closed.
func (h *handler) set(c *gin.Context, name, value string, lasts time.Duration) {
	http.SetCookie(c.Writer, &http.Cookie{
		Name: h.cookieName(name), Value: value, Path: "/", MaxAge: int(lasts / time.Second), Secure: h.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// drop takes a cookie away.
func (h *handler) drop(c *gin.Context, name string) {
	http.SetCookie(c.Writer, &http.Cookie{Name: h.cookieName(name), Path: "/", MaxAge: -1, Secure: h.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// browser is what the request's cookies say.
func (h *handler) browser(c *gin.Context) people.Browser {
	return people.Browser{Session: h.cookie(c, sessionCookie), Device: h.cookie(c, deviceCookie)}
}

// entered gives a browser the session it began.
func (h *handler) entered(c *gin.Context, in *people.SignedIn) {
	h.set(c, sessionCookie, in.Secret, 0)
	h.set(c, deviceCookie, in.Device, people.DeviceLife)
	if h.cookie(c, signinCookie) != "" {
		h.drop(c, signinCookie)
	}
}
