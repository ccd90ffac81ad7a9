package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
)

// Bounds of a request's body: bytes, and how deep its JSON may be nested.
const (
	maxBody  = 1 << 20
	maxDepth = 32
)

// operation is what openapi.yaml says of one operation.
type operation struct {
	id         string
	scope      string // that policy will ask for; told in challenges, checked by policy alone
	parameters []*openapi3.Parameter
	body       *openapi3.RequestBody // nil if it takes none
}

// operations indexes a description by method and route.
func operations(doc *openapi3.T) map[string]*operation {
	out := map[string]*operation{}
	for path, item := range doc.Paths.Map() {
		route := Prefix + strings.NewReplacer("{", ":", "}", "").Replace(path)
		for method, described := range item.Operations() {
			op := &operation{id: described.OperationID}
			for _, p := range slices.Concat(item.Parameters, described.Parameters) {
				op.parameters = append(op.parameters, p.Value)
			}
			if described.RequestBody != nil {
				op.body = described.RequestBody.Value
			}
			if described.Security != nil {
				for _, needed := range *described.Security {
					op.scope = strings.Join(needed["bearer"], " ")
				}
			}
			out[method+" "+route] = op
		}
	}
	return out
}

// operation finds what a request was routed to; the zero operation if nothing.
func (s *server) operation(c *gin.Context) *operation {
	if op := s.operations[c.Request.Method+" "+c.FullPath()]; op != nil {
		return op
	}
	return &operation{}
}

// check holds an admitted request against openapi.yaml, so that handlers see
// only what it describes.
func (s *server) check(c *gin.Context) {
	op := s.operation(c)
	for _, step := range []func(*gin.Context, *operation) error{checkPath, checkParameters, checkBody} {
		if err := step(c, op); err != nil {
			s.fail(c, err)
			return
		}
	}
}

// checkPath unescapes the segments of the path, each once. What cannot be a
// name names nothing.
func checkPath(c *gin.Context, _ *operation) error {
	for i, p := range c.Params {
		name, err := url.PathUnescape(p.Value)
		if err != nil || name == "" || !isText(name) {
			return models.ErrNotFound
		}
		c.Params[i].Value = name
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func checkParameters(c *gin.Context, op *operation) error {
	query, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return malformed("", "The query cannot be read: %s.", err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := query[name]
		switch {
		case !slices.ContainsFunc(op.parameters, func(p *openapi3.Parameter) bool { return p.In == openapi3.ParameterInQuery && p.Name == name }):
			return malformed(name, "There is no such query parameter here.")
		case len(values) > 1:
			return malformed(name, "Given more than once.")
		case values[0] == "" || !isText(values[0]):
			return malformed(name, "Must be text that is not empty.")
		}
	}
	input := &openapi3filter.RequestValidationInput{Request: c.Request, QueryParams: query, Options: &openapi3filter.Options{SkipSettingDefaults: true}}
	for _, p := range op.parameters {
		if p.In == openapi3.ParameterInPath {
			continue
		}
		if err := openapi3filter.ValidateParameter(c.Request.Context(), input, p); err != nil {
			return malformed(p.Name, "%s", reason(err))
		}
	}
	return nil
}

// checkBody reads the body and puts it back, checked.
func checkBody(c *gin.Context, op *operation) error {
	if op.body == nil {
		return nil
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fault("content_too_large", "", "A body holds at most %d bytes.", maxBody)
	case err != nil:
		return malformed("", "The body cannot be read.")
	case len(raw) == 0 && op.body.Required:
		return malformed("", "A JSON body is needed.")
	case len(raw) > 0:
		if err := checkJSON(c.GetHeader("Content-Type"), raw, op.body.Content); err != nil {
			return err
		}
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(raw))
	c.Request.Header.Set("Content-Type", "application/json") // the generated code tells bodies apart by it; here there is one
	return nil
}

func checkJSON(contentType string, raw []byte, content openapi3.Content) error {
	mediaType, _, err := mime.ParseMediaType(contentType)
	described := content[mediaType]
	if err != nil || described == nil {
		return fault("unsupported_media_type", "", "Content-Type must be %s.", strings.Join(slices.Sorted(maps.Keys(content)), " or "))
	}
	if depth(raw) > maxDepth {
		return malformed("", "The body is nested more than %d deep.", maxDepth)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return malformed("", "The body is not JSON: %s.", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return malformed("", "The body goes on after the JSON value.")
	}
	if bytes.Contains(raw, []byte(`\u0000`)) {
		return malformed("", "Text must not hold the character NUL.")
	}
	return schemaProblem(described.Schema.Value.VisitJSON(value, openapi3.VisitAsRequest()))
}

// depth is how deep arrays and objects are nested in what may be JSON, at least.
func depth(raw []byte) (deepest int) {
	open, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			open++
			deepest = max(deepest, open)
		case c == ']' || c == '}':
			open--
		}
	}
	return deepest
}

// schemaProblem sorts what a body has against its schema: shape and types are
// 400, values 422.
func schemaProblem(err error) error {
	var wrong *openapi3.SchemaError
	if !errors.As(err, &wrong) {
		return err
	}
	path := wrong.JSONPointer()
	code := "invalid_value"
	switch wrong.SchemaField {
	case "type", "nullable", "format":
		code = "invalid_request"
	case "properties":
		code = "invalid_request"
		var name string
		if n, _ := fmt.Sscanf(wrong.Reason, "property %q", &name); n == 1 {
			path = append(path, name)
		}
	}
	return fault(code, strings.Join(path, "."), "%s", wrong.Reason)
}

func reason(err error) string {
	var wrong *openapi3.SchemaError
	if errors.As(err, &wrong) {
		return wrong.Reason
	}
	return err.Error()
}
