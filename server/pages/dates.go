package pages

import (
	"fmt"
	"hash/fnv"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// soonDays is how long before its end something is said to end soon.
const soonDays = 14

// clock writes times in one language, as seen from now. Deputy does not know
// where people are, so a time of day is UTC and says so.
type clock struct {
	*words
	now func() time.Time
}

// date is a day: 10 December 2026.
func (k clock) date(at time.Time) (template.HTML, error) {
	s, err := k.day(at)
	return stamp(at.UTC().Format(time.DateOnly), "", s), err
}

// moment is a day and a time of day.
func (k clock) moment(at time.Time) (template.HTML, error) {
	s, err := k.dayTime(at)
	return stamp(at.UTC().Format(time.RFC3339), "", s), err
}

// hour is a time of day, for what is less than a day away.
func (k clock) hour(at time.Time) (template.HTML, error) {
	full, err := k.dayTime(at)
	if err != nil {
		return "", err
	}
	s, err := k.t("time.hour", "time", at.UTC().Format("15:04"))
	return stamp(at.UTC().Format(time.RFC3339), full, s), err
}

// ago is how far away a moment is, with the moment itself for who asks.
func (k clock) ago(at time.Time) (template.HTML, error) {
	full, err := k.dayTime(at)
	if err != nil {
		return "", err
	}
	away, way := k.now().Sub(at), "ago"
	if away < 0 {
		away, way = -away, "in"
	}
	key, n := "now", 0
	switch {
	case away >= 24*time.Hour:
		key, n = "days", int((away+12*time.Hour)/(24*time.Hour))
	case away >= time.Hour:
		key, n = "hours", int(away/time.Hour)
	case away >= time.Minute:
		key, n = "minutes", int(away/time.Minute)
	}
	if n > 60 {
		return k.date(at)
	}
	s, err := k.t("time."+way+"."+key, "n", n)
	return stamp(at.UTC().Format(time.RFC3339), full, s), err
}

// span is a number of days in words.
func (k clock) span(days int) (string, error) { return k.t("time.span", "n", days) }

// soon reports whether something ends within soonDays.
func (k clock) soon(at time.Time) bool {
	return !at.IsZero() && at.Sub(k.now()) < soonDays*24*time.Hour
}

func (k clock) day(at time.Time) (string, error) {
	at = at.UTC()
	month, err := k.t(fmt.Sprintf("time.month.%d", at.Month()))
	if err != nil {
		return "", err
	}
	return k.t("time.day", "day", at.Day(), "month", month, "year", at.Year())
}

func (k clock) dayTime(at time.Time) (string, error) {
	day, err := k.day(at)
	if err != nil {
		return "", err
	}
	return k.t("time.moment", "day", day, "time", at.UTC().Format("15:04"))
}

func stamp(machine, title, human string) template.HTML {
	if title != "" {
		title = ` title="` + template.HTMLEscapeString(title) + `"`
	}
	return template.HTML(`<time datetime="` + machine + `"` + title + `>` + template.HTMLEscapeString(human) + `</time>`)
}

// dict makes a map of pairs, for templates that take several arguments.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("%d arguments are no pairs", len(pairs))
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("argument %d is no name", i)
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// initials are the first letters of a name's first two words.
func initials(name string) string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	var b strings.Builder
	for _, part := range parts[:min(2, len(parts))] {
		r, _ := utf8.DecodeRuneInString(part)
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// tones is how many colours of .tone-N the style sheet has.
const tones = 6

// tone is the colour of whoever has this id: always the same one.
func tone(id string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32() % tones
}
