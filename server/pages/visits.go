package pages

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/people"
)

// places are the pages to which a sign-in can lead back. They have names, so that no
// form ever holds an address.
var places = map[string]string{"security": "/account/security", "passkeys": "/account/passkeys", "word": "/account/word", "approvals": "/approvals"}

// longestHint bounds what is filled in for somebody; it is bytes.
const longestHint = 254

// signInView is the page to sign in before whatever id stands for; false if it
// was answered already.
func (h *handler) signInView(c *gin.Context, id string) (SignIn, bool) {
	id = h.returned(id)
	view := SignIn{Return: id, Passkeys: h.People.Passkeys()}
	var err error
	if view.Providers, err = h.providers(c); err != nil {
		h.broken(c, err)
		return view, false
	}
	switch {
	case places[id] != "" || owning(id) != "" || deviceTarget(id) != "":
		return view, h.again(c, &view)
	case approvalID.MatchString(id):
		return view, h.awaited(c, &view)
	case id == "":
		return view, true
	}
	ctx := c.Request.Context()
	visit, err := h.Store.Visit(ctx, id)
	if err != nil {
		h.over(c, err)
		return view, false
	}
	client, err := h.Store.Client(ctx, visit.ClientID)
	if err != nil {
		h.over(c, err)
		return view, false
	}
	SetLocales(c, strings.Join(visit.Request.UILocales, " "))
	view.Waiting = &Waiting{Agent: party(client)}
	view.Strong = slices.Contains(visit.SignIn, "acr")
	hint := hinted(visit.Request.LoginHint)
	ok := slices.Contains(visit.SignIn, "nobody") || h.again(c, &view)
	if hint != "" || slices.Contains(visit.Request.Prompt, "select_account") || slices.Contains(visit.SignIn, "subject") {
		view.Username = hint
	}
	return view, ok
}

// awaited fills in which agent waits for an approval, and how strongly whoever gives
// it must sign in.
func (h *handler) awaited(c *gin.Context, view *SignIn) bool {
	a, err := h.Store.Approval(c.Request.Context(), view.Return)
	if errors.Is(err, models.ErrNotFound) { // the page itself says so, to who has signed in
		return h.again(c, view)
	}
	if err != nil {
		h.broken(c, err)
		return false
	}
	client, err := h.Store.Client(c.Request.Context(), a.ClientID)
	if err != nil {
		h.over(c, err)
		return false
	}
	view.Waiting = &Waiting{Agent: party(client)}
	view.Strong = len(a.Request.ACRValues) > 0 && !slices.Contains(a.Request.ACRValues, people.OneFactor)
	return h.again(c, view)
}

// again fills in who is signed in already, and is to sign in anew. Their session
// goes on until they have.
func (h *handler) again(c *gin.Context, view *SignIn) bool {
	who, err := h.People.Person(c.Request.Context(), h.cookie(c, sessionCookie))
	if who == nil && err == nil {
		return true
	}
	if err == nil {
		user, missing := h.Store.User(c.Request.Context(), who.UserID)
		if err = missing; err == nil {
			view.Again, view.Username = true, user.Username
			return true
		}
	}
	h.broken(c, err)
	return false
}

// hinted is a login_hint that may stand in a field, "" if it may not.
func hinted(hint string) string {
	hint = strings.TrimSpace(hint)
	if len(hint) > longestHint || strings.ContainsFunc(hint, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return hint
}

// waiting says for whom a second step is.
func (h *handler) waiting(c *gin.Context, id string) (*Waiting, bool) {
	view, ok := h.signInView(c, id)
	return view.Waiting, ok
}
