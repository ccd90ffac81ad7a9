package pages

import (
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
)

// Detail is one of the authorization details that are asked for: a sentence of the
// resource server's about it, and all that it holds.
type Detail struct {
	Value     string            // what the form sends for it
	Sentences map[string]string // by language, English (en) at least; {name} stands for a value
	Values    map[string]string // by name
	Rows      []Row             // everything that the object holds
	Risk      string
	Ticked    bool
	Before    bool   // consented to before
	Greyed    string // why it cannot be ticked, as of a scope
}

// Row is a label with its value.
type Row struct{ Label, Value string }

// maxInSentence bounds a value in a sentence, in characters. Its row has all of it.
const maxInSentence = 80

// detailed adds the details of a decision to what is asked, by service. asked are the
// objects of the request, which the decision names by their place.
func detailed(said *names, services []Asked, offers []policies.DetailOffer, asked []policies.Detail) []Asked {
	at := map[string]int{}
	for i, s := range services {
		at[s.Service.ID] = i
	}
	for _, o := range offers {
		if o.Index < 0 || o.Index >= len(asked) {
			continue
		}
		i, ok := at[o.Resource]
		if !ok {
			i = len(services)
			at[o.Resource], services = i, append(services, Asked{Service: said.service(o.Resource).Party})
		}
		d := said.detail(o.Resource, o.Type, asked[o.Index])
		d.Value, d.Risk = o.Resource+" "+strconv.Itoa(o.Index), o.Risk
		d.Before, d.Ticked = o.State == "granted", o.State != "greyed" && o.Risk != "high"
		if o.State == "greyed" {
			d.Greyed = greyed(o.Reasons)
		}
		services[i].Details = append(services[i].Details, d)
	}
	return services
}

// detail is an object in the words of its type.
func (n *names) detail(resource, kind string, object policies.Detail) Detail {
	d := Detail{Sentences: map[string]string{"en": kind}, Values: map[string]string{}}
	var schema labels
	if t, err := n.store.DetailType(n.ctx, resource, kind); !n.missing(err) {
		d.Sentences = t.Template
		_ = json.Unmarshal([]byte(t.Schema), &schema) // which was checked when it was stored
	}
	var fields map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(object)))
	decoder.UseNumber()
	_ = decoder.Decode(&fields) // which was checked when it came
	delete(fields, "type")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if text, ok := inline(fields[name]); ok {
			d.Values[name] = text
		}
		d.Rows = append(d.Rows, rows(schema.Properties[name].of(name), schema.Properties[name], fields[name])...)
	}
	return d
}

// labels are what a schema calls its properties.
type labels struct {
	Title      string             `json:"title"`
	Properties map[string]*labels `json:"properties"`
	Items      *labels            `json:"items"`
}

func (l *labels) of(name string) string {
	if l == nil || l.Title == "" {
		return name
	}
	return l.Title
}

func (l *labels) below(name string) *labels {
	if l == nil {
		return nil
	}
	return l.Properties[name]
}

// rows are a value as people read it: an object's members one by one, under its name.
func rows(label string, l *labels, v any) []Row {
	if text, ok := inline(v); ok {
		return []Row{{label, text}}
	}
	var out []Row
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out = append(out, rows(label+" / "+l.below(name).of(name), l.below(name), v[name])...)
		}
	case []any:
		var items *labels
		if l != nil {
			items = l.Items
		}
		for i, one := range v {
			out = append(out, rows(fmt.Sprintf("%s %d", label, i+1), items, one)...)
		}
	}
	return out
}

// inline is a value in one line, if it fits into one.
func inline(v any) (string, bool) {
	switch v := v.(type) {
	case map[string]any:
		return "", false
	case []any:
		var texts []string
		for _, one := range v {
			text, ok := inline(one)
			if _, list := one.([]any); !ok || list {
				return "", false
			}
			texts = append(texts, text)
		}
		return strings.Join(texts, ", "), true
	case nil:
		return unknown, true
	default:
		return fmt.Sprint(v), true
	}
}

// detail is a detail's sentence in this language. What it says of values can neither
// end the markup nor turn the direction of writing around.
func (w *words) detail(d Detail) (template.HTML, error) {
	base, _ := w.tag.Base()
	sentence := d.Sentences[base.String()]
	if sentence == "" {
		sentence = d.Sentences["en"]
	}
	args := map[string]any{}
	for name, value := range d.Values {
		if cut := []rune(value); len(cut) > maxInSentence {
			value = string(cut[:maxInSentence]) + "…"
		}
		args[name] = value
	}
	out, err := w.fill(sentence, args, template.HTMLEscapeString, func(arg any) string {
		return "<strong><bdi>" + template.HTMLEscapeString(fmt.Sprint(arg)) + "</bdi></strong>"
	})
	return template.HTML(out), err
}

// tick reads what a form sends for a detail.
func tick(value string) (policies.GrantedDetail, bool) {
	resource, place, found := strings.Cut(value, " ")
	index, err := strconv.Atoi(place)
	return policies.GrantedDetail{Resource: resource, Index: index}, found && err == nil && len(value) <= maxTick && models.HasPrefix(resource, models.PrefixResource)
}
