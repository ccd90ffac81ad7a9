package models

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	"gorm.io/gorm"

	"github.com/deputyauth/deputy/policies"
)

// DetailType is a type of authorization details (RFC 9396) at a resource server:
// what its objects look like, how a person is asked, and how they narrow.
type DetailType struct {
	ResourceID string            `gorm:"primaryKey" json:"resource_server_id"`
	Name       string            `gorm:"primaryKey" json:"type"`
	Scope      string            `json:"scope"` // of the same resource server, through which it is held
	Risk       string            `json:"risk"`
	Schema     string            `json:"schema"` // JSON Schema, less the member type; see detail_schema.go
	Template   map[string]string `gorm:"serializer:json" json:"template"`
	Narrow     map[string]string `gorm:"serializer:json" json:"narrow"`
}

// maxTemplate bounds a template, in characters.
const maxTemplate = 300

var (
	detailName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$`)
	languageName = regexp.MustCompile(`^[a-z]{2}$`)
	placeholder  = regexp.MustCompile(`\{([^{}]*)\}`)
)

func (d *DetailType) validate() error {
	if !detailName.MatchString(d.Name) {
		return invalid("type", "must be 1 to 128 of A-Z a-z 0-9 . _ : / -, beginning with a letter or digit")
	}
	if d.Risk != RiskLow && d.Risk != RiskMedium && d.Risk != RiskHigh {
		return invalid("risk", "must be low, medium or high")
	}
	if err := CheckScope("scope", d.Scope); err != nil {
		return err
	}
	s, text, err := readDetailSchema(d.Schema)
	if err != nil {
		return err
	}
	d.Schema = text
	if err := d.checkTemplate(s); err != nil {
		return err
	}
	return d.checkNarrow(s)
}

// checkTemplate: every name in braces is one that an object always has, and can be
// shown in one line.
func (d *DetailType) checkTemplate(s *detailSchema) error {
	if d.Template["en"] == "" {
		return invalid("template", "must be there in English (en) at least")
	}
	for language, text := range d.Template {
		if !languageName.MatchString(language) || len(d.Template) > 32 {
			return invalid("template", "goes by languages of two letters, at most 32")
		}
		if err := checkText("template", text, maxTemplate); err != nil {
			return err
		}
		for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
			p := s.Properties[m[1]]
			if p == nil || !slices.Contains(s.Required, m[1]) {
				return invalid("template", "%q is not among the required properties of the schema", m[1])
			}
			if p.Type == "object" {
				return invalid("template", "%q is an object, which fits in no sentence", m[1])
			}
		}
	}
	return nil
}

func (d *DetailType) checkNarrow(s *detailSchema) error {
	if d.Narrow == nil {
		d.Narrow = map[string]string{}
	}
	for _, field := range slices.Sorted(maps.Keys(d.Narrow)) {
		p := s.Properties[field]
		if p == nil {
			return invalid("narrow", "%q is no property of the schema", field)
		}
		switch word := d.Narrow[field]; {
		case word == policies.NarrowSame:
		case word == policies.NarrowAtMost && (p.Type == "integer" || p.Type == "string"):
		case word == policies.NarrowSubset && p.Type == "array":
		default:
			return invalid("narrow", "%q must be same, at_most (of an integer, or a decimal as a string) or subset (of an array)", field)
		}
	}
	return nil
}

// PutDetailType registers a type of authorization details or replaces what is said of it.
func (s *Store) PutDetailType(ctx context.Context, by By, d *DetailType) (created bool, err error) {
	if builtIn(d.ResourceID) {
		return false, invalid("resource_server_id", "Deputy's own services have no such types")
	}
	if err := d.validate(); err != nil {
		return false, err
	}
	err = s.change(ctx, by, "putDetailType", func(c *change) error {
		created, err = c.putDetailType(d)
		return err
	})
	return created, err
}

func (c *change) putDetailType(d *DetailType) (created bool, err error) {
	if err := c.tx.First(&ResourceServer{}, "id = ?", d.ResourceID).Error; err != nil {
		return false, err
	}
	var old []DetailType
	if err := c.forUpdate().Where("resource_id = ? and name = ?", d.ResourceID, d.Name).Find(&old).Error; err != nil {
		return false, err
	}
	var before any
	if len(old) > 0 {
		before = old[0]
	}
	if err := c.tx.Save(d).Error; err != nil {
		return false, blame(err, "scope", "%q is no scope of this resource server", d.Scope)
	}
	c.touch("resource", d.ResourceID)
	c.touched[keyDetailTypes] = true
	return len(old) == 0, c.record(d.ResourceID, before, d)
}

// DeleteDetailType takes a type back: nothing of it is granted any more.
func (s *Store) DeleteDetailType(ctx context.Context, by By, resourceID, name string) error {
	return s.change(ctx, by, "deleteDetailType", func(c *change) error {
		var d DetailType
		if err := c.forUpdate().First(&d, "resource_id = ? and name = ?", resourceID, name).Error; err != nil {
			return err
		}
		if err := c.tx.Delete(&d).Error; err != nil {
			return err
		}
		c.touch("resource", resourceID)
		c.touched[keyDetailTypes] = true
		return c.record(resourceID, d, nil)
	})
}

// DetailType reads one type. ErrNotFound if there is none.
func (s *Store) DetailType(ctx context.Context, resourceID, name string) (*DetailType, error) {
	var d DetailType
	err := s.read.WithContext(ctx).First(&d, "resource_id = ? and name = ?", resourceID, name).Error
	return &d, wrap("getDetailType", err)
}

// DetailTypes lists the types of a resource server by name.
func (s *Store) DetailTypes(ctx context.Context, resourceID string, p Page) ([]DetailType, string, error) {
	if _, err := s.ResourceServer(ctx, resourceID); err != nil {
		return nil, "", err
	}
	q := s.read.WithContext(ctx).Where("resource_id = ?", resourceID)
	return list(q, "listDetailTypes", "name", p, func(d DetailType) string { return d.Name })
}

// keyDetailTypes stands for which types there are anywhere.
const keyDetailTypes = "detail-types:*"

// DetailTypeNames are the types that any active resource server knows, in order.
func (v *View) DetailTypeNames(ctx context.Context) ([]string, error) {
	return see(ctx, v, "detail-types", func(db *gorm.DB) ([]string, []string, error) {
		names := []string{}
		err := db.Model(&DetailType{}).Distinct().Order("name").Pluck("name", &names).Error
		return names, []string{keyDetailTypes}, err
	})
}

// DetailChecks are the types of a resource server, ready to check objects of theirs.
func (v *View) DetailChecks(ctx context.Context, resourceID string) (map[string]*DetailCheck, error) {
	return see(ctx, v, "detail-checks:"+resourceID, func(db *gorm.DB) (map[string]*DetailCheck, []string, error) {
		var rows []DetailType
		if err := db.Where("resource_id = ?", resourceID).Find(&rows).Error; err != nil {
			return nil, nil, err
		}
		checks := map[string]*DetailCheck{}
		for _, d := range rows {
			check, err := newDetailCheck(d.Schema)
			if err != nil {
				return nil, nil, err
			}
			checks[d.Name] = check
		}
		return checks, []string{key("resource", resourceID)}, nil
	})
}

// detailTypesOf is what policy sees of a resource server's types.
func detailTypesOf(db *gorm.DB, resourceID string) (map[string]policies.DetailType, error) {
	var rows []DetailType
	if err := db.Where("resource_id = ?", resourceID).Find(&rows).Error; err != nil || len(rows) == 0 {
		return nil, err
	}
	out := map[string]policies.DetailType{}
	for _, d := range rows {
		out[d.Name] = policies.DetailType{Scope: d.Scope, Risk: d.Risk, Narrow: d.Narrow}
	}
	return out, nil
}

// detailKind is the type of an object.
func detailKind(d policies.Detail) string {
	var head struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(d, &head) // what cannot be read has no type
	return head.Type
}

// heldDetails are those of list whose types are held through one of scopes now. What
// a person takes back does not come again when they agree to the scope another time.
func (c *change) heldDetails(resourceID string, scopes []string, list []policies.Detail) ([]policies.Detail, error) {
	if len(list) == 0 {
		return []policies.Detail{}, nil
	}
	types, err := detailTypesOf(c.tx, resourceID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(list), func(d policies.Detail) bool {
		return !slices.Contains(scopes, types[detailKind(d)].Scope)
	}), nil
}

// withoutDetails are those of list that are not among gone.
func withoutDetails(list, gone []policies.Detail) []policies.Detail {
	return slices.DeleteFunc(slices.Clone(list), func(d policies.Detail) bool {
		return slices.ContainsFunc(gone, func(g policies.Detail) bool { return bytes.Equal(d, g) })
	})
}

func sameDetails(a, b []policies.Detail) bool {
	return slices.EqualFunc(a, b, func(a, b policies.Detail) bool { return bytes.Equal(a, b) })
}

// distinctDetails sorts details and drops what is there twice.
func distinctDetails(list []policies.Detail) []policies.Detail {
	out := append([]policies.Detail{}, list...)
	slices.SortFunc(out, func(a, b policies.Detail) int { return bytes.Compare(a, b) })
	return slices.CompactFunc(out, func(a, b policies.Detail) bool { return bytes.Equal(a, b) })
}
