package bundles

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// Whatever an author hands in is judged in bounded time, and what is accepted
// only ever narrows: no scope, second or audience more than the floor's, and no
// claim that could be taken for the token's own.
func FuzzHousePolicy(f *testing.F) {
	starter, err := policies.FS.ReadFile("house/issue/issue.rego")
	require.NoError(f, err)
	f.Add(string(starter), "")
	for _, rule := range []string{
		`deny contains "closed" if input.client.labels.closed`, `remove contains "read"`, `max_ttl := 60`, `claims := {"https://a.example/t": input.client.id}`,
		`require contains "approval" if input.client.labels.x`, `deny contains "x" if input.client.name in data.house.blocked`, `deny := true`,
		`max_ttl := json.unmarshal("60")`, `remove contains "x" if "write" in input.granted with input.client.scopes as {}`,
	} {
		f.Add("package house.issue\n\n"+rule+"\n", `{"house": {"blocked": ["B"]}}`)
	}
	e, err := New(Options{House: silent(), Deadline: 500 * time.Millisecond})
	require.NoError(f, err)
	in := ask(f, map[string]string{"trip": "yes"}, "read")
	plain := decide(f, e, in)
	f.Fuzz(func(t *testing.T, module, data string) {
		house := fstest.MapFS{"issue.rego": moduleFile(module)}
		if data != "" {
			house["data.json"] = moduleFile(data)
		}
		begin := time.Now()
		err := e.Load(house)
		require.Less(t, time.Since(begin), 10*time.Second)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		d, err := e.Decide(context.Background(), in)
		require.Less(t, time.Since(begin), 20*time.Second)
		if !d.Allow {
			require.NotEmpty(t, d.Reasons)
			return
		}
		require.NoError(t, err)
		require.Subset(t, plain.Scopes, d.Scopes)
		require.LessOrEqual(t, d.TTL, plain.TTL)
		require.GreaterOrEqual(t, d.TTL, int64(1))
		require.Equal(t, plain.Audience, d.Audience)
		require.Equal(t, plain.Subject, d.Subject)
		require.Equal(t, plain.Chain, d.Chain)
		for name := range d.Claims {
			require.Regexp(t, "^(https://|urn:)", name)
		}
	})
}

// Reading a bundle, which comes before anything is compiled: what passes is below
// house alone, says which decisions it is about, and has one revision.
func FuzzHouseSource(f *testing.F) {
	for _, seed := range []struct{ name, module, data string }{
		{"issue.rego", "package house.issue\n\ndeny contains \"x\" if input.v == 1\n", `{"house": {"blocked": []}}`},
		{"a/b_test.rego", "package house.issue_test\n\ntest_x if true\n", ""},
		{"x.rego", "package floor.issue\n\nimport data.floor.scope\n", `{"floor": {}}`},
		{"x.rego", "# METADATA\n# title: x\npackage house.issue\n\nx := `" + strings.Repeat("(", 1000) + "`\n", "[]"},
		{"x.rego", "package house.issue\n\nx := " + strings.Repeat("[", 5000), `{"house": ` + strings.Repeat("[", 20000)},
		{".hidden.rego", "package x", "{}"}, {"data.json", "{}", "null"},
	} {
		f.Add(seed.name, seed.module, seed.data)
	}
	f.Fuzz(func(t *testing.T, name, module, data string) {
		if !fs.ValidPath(name) || name == "." {
			return
		}
		house := fstest.MapFS{name: moduleFile(module)}
		if data != "" {
			house["data.json"] = moduleFile(data)
		}
		begin := time.Now()
		src, err := read(house, houseRoot)
		if err == nil {
			err = checkSources(src)
		}
		require.Less(t, time.Since(begin), 5*time.Second)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.Contains(t, src.houseKinds(), policies.KindIssue)
		for _, m := range src.live() {
			require.True(t, strings.HasPrefix(m.Package.Path.String()+".", "data.house."))
		}
		for key := range src.data {
			require.Equal(t, "house", key)
		}
		again, err := read(house, houseRoot)
		require.NoError(t, err)
		require.Equal(t, src.revision(), again.revision())
	})
}
