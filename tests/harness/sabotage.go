package harness

import (
	"io/fs"
	"regexp"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// Sabotaged is the shipped policy without one rule: whatever cut matches in
// file is gone.
func Sabotaged(tb testing.TB, file, cut string) fs.FS {
	tb.Helper()
	out := fstest.MapFS{}
	require.NoError(tb, fs.WalkDir(policies.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(policies.FS, name)
		out[name] = &fstest.MapFile{Data: body}
		return err
	}))
	rule := regexp.MustCompile(cut)
	require.Len(tb, rule.FindAll(out[file].Data, -1), 1, "the rule to sabotage is not there")
	out[file].Data = rule.ReplaceAll(out[file].Data, nil)
	return out
}
