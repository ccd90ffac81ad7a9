package server

import (
	"bytes"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/oauth"
)

// shortURL refuses addresses that nobody was ever given.
func (s *Server) shortURL(c *gin.Context) {
	if len(c.Request.RequestURI) > maxURL {
		c.AbortWithStatusJSON(http.StatusRequestURITooLong, errorBody{Error: oauth.InvalidRequest, Description: "The address is too long."})
	}
}

// held waits until the body is there, so that who sends it slowly takes nobody's
// place. What was wrong with it, the handler will find.
func held(c *gin.Context) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, oauth.MaxBody))
	c.Request.Body = io.NopCloser(&heldBody{bytes.NewReader(body), err})
}

// heldBody is a body that was read, and how the reading of it ended.
type heldBody struct {
	*bytes.Reader
	err error
}

func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && b.err != nil { // at the end
		err = b.err
	}
	return n, err
}

// bounded lets so many requests in at once, and tells the others at once to come
// again: a queue would only make everybody late.
func (s *Server) bounded(c *gin.Context) {
	if !s.Limits.OAuth.Enter() {
		event(c).Limited("in_flight")
		s.tell(c, oauth.Busy())
		return
	}
	defer s.Limits.OAuth.Leave()
	c.Next()
}
