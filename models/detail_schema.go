package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/deputyauth/deputy/policies"
)

// A schema of authorization details is JSON Schema 2020-12, of which only what is
// closed counts: every value says its type, every object its properties and that it
// has no others, every list its items. There are no references and no alternatives,
// so that whoever reads the schema knows what an object can hold, and so does a person
// who is shown one.

// detailSchema is what may be said in one. Annotations change nothing.
type detailSchema struct {
	Schema      string `json:"$schema,omitempty"`
	Comment     string `json:"$comment,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`

	Type  string            `json:"type"`
	Enum  []json.RawMessage `json:"enum,omitempty"`
	Const json.RawMessage   `json:"const,omitempty"`

	Properties map[string]*detailSchema `json:"properties,omitempty"`
	Required   []string                 `json:"required,omitempty"`
	Additional *bool                    `json:"additionalProperties,omitempty"`

	Items       *detailSchema `json:"items,omitempty"`
	MinItems    *int64        `json:"minItems,omitempty"`
	MaxItems    *int64        `json:"maxItems,omitempty"`
	UniqueItems *bool         `json:"uniqueItems,omitempty"`

	Minimum   *int64 `json:"minimum,omitempty"`
	Maximum   *int64 `json:"maximum,omitempty"`
	MinLength *int64 `json:"minLength,omitempty"`
	MaxLength *int64 `json:"maxLength,omitempty"`
	Pattern   string `json:"pattern,omitempty"`
}

// Bounds of a schema.
const (
	maxDetailSchema     = 16 << 10 // bytes
	maxDetailDepth      = 5
	maxDetailProperties = 64
)

const draft = "https://json-schema.org/draft/2020-12/schema"

// readDetailSchema reads a schema, and gives the form in which it is kept.
func readDetailSchema(text string) (*detailSchema, string, error) {
	if len(text) > maxDetailSchema {
		return nil, "", invalid("schema", "is larger than %d bytes", maxDetailSchema)
	}
	var s detailSchema
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, "", invalid("schema", "is no schema of the kind that is understood: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, "", invalid("schema", "has something after its end")
	}
	if s.Schema != "" && s.Schema != draft {
		return nil, "", invalid("schema", "$schema must be %s", draft)
	}
	if s.Type != "object" {
		return nil, "", invalid("schema", "must be of an object")
	}
	if s.Properties["type"] != nil {
		return nil, "", invalid("schema", "the member type is not described: every object has it")
	}
	if err := s.check("", 1); err != nil {
		return nil, "", err
	}
	kept, err := json.Marshal(&s)
	if err != nil {
		return nil, "", invalid("schema", "%v", err)
	}
	if _, err := newDetailCheck(string(kept)); err != nil {
		return nil, "", invalid("schema", "%v", err)
	}
	return &s, string(kept), nil
}

func (s *detailSchema) check(at string, depth int) error {
	if s == nil || depth > maxDetailDepth {
		return invalid("schema", "%s: is null, or deeper than %d", orRoot(at), maxDetailDepth)
	}
	switch s.Type {
	case "object":
		return s.checkObject(at, depth)
	case "array":
		if s.Items == nil {
			return invalid("schema", "%s: an array must say its items", orRoot(at))
		}
		return s.Items.check(at+"/items", depth+1)
	case "string", "integer", "boolean":
		return nil
	default:
		return invalid("schema", "%s: type must be object, array, string, integer or boolean; a fraction is written as a string", orRoot(at))
	}
}

func (s *detailSchema) checkObject(at string, depth int) error {
	if s.Additional == nil || *s.Additional {
		return invalid("schema", "%s: additionalProperties must be false", orRoot(at))
	}
	if len(s.Properties) == 0 || len(s.Properties) > maxDetailProperties {
		return invalid("schema", "%s: must have 1 to %d properties", orRoot(at), maxDetailProperties)
	}
	for _, name := range s.Required {
		if s.Properties[name] == nil {
			return invalid("schema", "%s: requires %q, which is no property", orRoot(at), name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if err := checkText("schema", name, 64); err != nil || name == "" || strings.ContainsAny(name, "{}\n\t") {
			return invalid("schema", "%s: %q cannot be the name of a property", orRoot(at), name)
		}
		if err := s.Properties[name].check(at+"/"+name, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func orRoot(at string) string {
	if at == "" {
		return "/"
	}
	return at
}

// DetailCheck tells whether an object is one of its type.
type DetailCheck struct{ schema *jsonschema.Schema }

func newDetailCheck(text string) (*DetailCheck, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nothingElse{})
	const here = "urn:deputy:detail"
	if err := c.AddResource(here, doc); err != nil {
		return nil, err
	}
	s, err := c.Compile(here)
	if err != nil {
		return nil, err
	}
	return &DetailCheck{s}, nil
}

// nothingElse is the loader of what a schema refers to.
type nothingElse struct{}

func (nothingElse) Load(url string) (any, error) { return nil, errors.New("nothing is loaded: " + url) }

// Check says what is wrong with an object, "" if nothing is. What it says names
// places in the object and no values.
func (c *DetailCheck) Check(d policies.Detail) string {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(d))
	object, ok := doc.(map[string]any)
	if err != nil || !ok {
		return "is no object"
	}
	delete(object, "type")
	var wrong *jsonschema.ValidationError
	switch err := c.schema.Validate(object); {
	case err == nil:
		return ""
	case !errors.As(err, &wrong):
		return "does not fit its schema"
	}
	for len(wrong.Causes) > 0 {
		wrong = wrong.Causes[0]
	}
	keyword := strings.Join(wrong.ErrorKind.KeywordPath(), "/")
	if keyword == "additionalProperties" || keyword == "required" { // which names members, not values
		keyword = wrong.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	}
	return "at /" + strings.Join(wrong.InstanceLocation, "/") + ": " + keyword
}
