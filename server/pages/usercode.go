package pages

import (
	"net/http"
	"regexp"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/people"
)

// userCode is a code that can be typed anywhere, and told to an agent.
var userCode = regexp.MustCompile(`^[!-~]{4,64}$`)

// chooseUserCode has agents need a code to ask somebody (CIBA Core section 7.1).
func (h *handler) chooseUserCode(c *gin.Context, who grants.Person) {
	code := form(c, "user_code")
	if !userCode.MatchString(code) {
		h.wrong(c, &people.Problem{Reason: "user_code_shape", Field: "user_code"}, func(status int, f Form) { h.showWord(c, who, status, f, WordPage{}) })
		return
	}
	h.setUserCode(c, who, code, "user_code_set")
}

// removeUserCode lets them be asked without.
func (h *handler) removeUserCode(c *gin.Context, who grants.Person) {
	h.setUserCode(c, who, "", "user_code_removed")
}

func (h *handler) setUserCode(c *gin.Context, who grants.Person, code, done string) {
	by, err := h.may(c, who, "chooseUserCode", "")
	if err == nil {
		err = h.Approvals.ChooseUserCode(c.Request.Context(), by, who.UserID, code)
	}
	if err != nil {
		h.wrong(c, err, func(status int, f Form) { h.showWord(c, who, status, f, WordPage{}) })
		return
	}
	h.showWord(c, who, http.StatusOK, Form{}, noticed(done, ""))
}
