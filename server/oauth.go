package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// token is the token endpoint: RFC 6749 section 3.2, RFC 8693, RFC 8707.
func (s *Server) token(c *gin.Context) {
	req, problem := oauth.ParseTokenRequest(c.Request)
	if problem != nil {
		s.fail(c, s.Endpoint.Refuse(c.Request.Context(), call(c), "token", req.Client.ID, problem))
		return
	}
	resp, err := s.Endpoint.Token(c.Request.Context(), call(c), req)
	if err != nil {
		s.fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, resp)
}

// introspect is RFC 7662.
func (s *Server) introspect(c *gin.Context) {
	q, problem := oauth.ParseTokenQuery(c.Request)
	if problem != nil {
		s.fail(c, s.Endpoint.Refuse(c.Request.Context(), call(c), "introspect", q.Client.ID, problem))
		return
	}
	answer, err := s.Endpoint.Introspect(c.Request.Context(), call(c), q)
	if err != nil {
		s.fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, answer)
}

// revoke is RFC 7009.
func (s *Server) revoke(c *gin.Context) {
	q, problem := oauth.ParseTokenQuery(c.Request)
	if problem != nil {
		s.fail(c, s.Endpoint.Refuse(c.Request.Context(), call(c), "revoke", q.Client.ID, problem))
		return
	}
	if err := s.Endpoint.Revoke(c.Request.Context(), call(c), q); err != nil {
		s.fail(c, err)
		return
	}
	noStore(c)
	c.Status(http.StatusOK)
}

// leaked takes the reports of those who look for secrets in source code and logs.
func (s *Server) leaked(c *gin.Context) {
	found, problem := oauth.ParseLeaks(c.Request)
	if problem != nil {
		s.fail(c, s.Endpoint.Refuse(c.Request.Context(), call(c), "leaked", "", problem))
		return
	}
	verdicts, err := s.Endpoint.Leaked(c.Request.Context(), call(c), found)
	if err != nil {
		s.fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, verdicts)
}

// backchannel is the authentication endpoint of CIBA Core section 7.
func (s *Server) backchannel(c *gin.Context) {
	req, problem := oauth.ParseBackchannel(c.Request)
	if problem != nil {
		s.fail(c, s.Endpoint.Refuse(c.Request.Context(), call(c), policies.AskApproval, req.Client.ID, problem))
		return
	}
	asked, err := s.Endpoint.AskUser(c.Request.Context(), call(c), req)
	if err != nil {
		s.fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, asked)
}

// device is the authorization endpoint of RFC 8628 section 3.1.
func (s *Server) device(c *gin.Context) {
	req, problem := oauth.ParseDevice(c.Request)
	if problem != nil {
		s.fail(c, s.Endpoint.Refuse(c.Request.Context(), call(c), policies.AskApproval, req.Client.ID, problem))
		return
	}
	asked, err := s.Endpoint.AskDevice(c.Request.Context(), call(c), req)
	if err != nil {
		s.fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, asked)
}

// push is RFC 9126.
func (s *Server) push(c *gin.Context) {
	req, problem := oauth.ParsePushed(c.Request)
	if problem != nil {
		s.fail(c, s.Endpoint.Refuse(c.Request.Context(), call(c), "authorize", req.ClientID, problem))
		return
	}
	pushed, err := s.Endpoint.Push(c.Request.Context(), call(c), req)
	if err != nil {
		s.fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusCreated, pushed)
}
