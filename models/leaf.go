package models

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// leaf is what the Merkle tree commits to: every column of the row, as
// encoding/json would write it. It is written out here because every token pays
// for it, in the one place through which all of them go; a test holds the two together.
func (e Entry) leaf() []byte {
	out := make([]byte, 0, 512+len(e.Detail)*5/4)
	out = strconv.AppendInt(append(out, `{"seq":`...), e.Seq, 10)
	out = appendText(append(out, `,"id":`...), e.ID)
	out = strconv.AppendInt(append(out, `,"at":`...), e.At, 10)
	for _, field := range [...]struct{ name, value string }{
		{`,"kind":`, e.Kind}, {`,"action":`, e.Action}, {`,"outcome":`, e.Outcome}, {`,"client_id":`, e.ClientID},
		{`,"subject_id":`, e.SubjectID}, {`,"resource_id":`, e.ResourceID}, {`,"token_id":`, e.TokenID},
		{`,"parent_id":`, e.ParentID}, {`,"txn":`, e.Txn}, {`,"grant_id":`, e.GrantID}, {`,"policy":`, e.Policy}, {`,"detail":`, e.Detail},
	} {
		out = appendText(append(out, field.name...), field.value)
	}
	return append(out, '}')
}

// appendText writes a JSON string. What is rare is left to encoding/json.
func appendText(to []byte, text string) []byte {
	begin, to := len(to), append(to, '"')
	from := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			to = append(append(to, text[from:i]...), '\\', c)
			from = i + 1
		case c < ' ' || c >= utf8.RuneSelf || c == '<' || c == '>' || c == '&':
			body, _ := json.Marshal(text) // a string cannot fail
			return append(to[:begin], body...)
		}
	}
	return append(append(to, text[from:]...), '"')
}
