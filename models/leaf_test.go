package models_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/models"
)

// What the tree commits to is the row as encoding/json writes it, whatever is in it.
func TestTheLeafIsTheRowAsJSON(t *testing.T) {
	awkward := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune(`ab"\\{}:,<>&/`+"\t\x00\x1f\x7f\u00e9\u2028\U0001f600")), 0, 60, -1),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(t *rapid.T) {
		text := func() string { return awkward.Draw(t, "text") }
		e := models.Entry{
			Seq: rapid.Int64().Draw(t, "seq"), ID: text(), At: rapid.Int64().Draw(t, "at"), Kind: text(), Action: text(), Outcome: text(),
			ClientID: text(), SubjectID: text(), ResourceID: text(), TokenID: text(), ParentID: text(), Txn: text(), GrantID: text(),
			Policy: text(), Detail: text(),
		}
		want, err := json.Marshal(e)
		require.NoError(t, err)
		require.Equal(t, string(want), string(e.Leaf()))
	})
}
