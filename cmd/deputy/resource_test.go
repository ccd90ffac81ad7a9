package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTypesOfDetailsAreSetAndRemoved(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		file := filepath.Join(t.TempDir(), "payment.json")
		write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
		write(`{"scope": "agent:chat", "risk": "medium", "template": {"en": "Send {text}"}, "schema": {"type": "object", "additionalProperties": false,
			"required": ["text"], "properties": {"text": {"type": "string"}}}}`)
		const service = "https://support-agent.example"
		require.Contains(t, d.must("resource", "type", "set", service, "message", "--file", file), "message is held through agent:chat, risk medium.")
		require.Contains(t, d.must("resource", "type", "list", service), "Send {text}")

		write(`{"scope": "agent:chat", "risk": "medium", "template": {"en": "Send"}, "schema": {"type": "object"}}`)
		_, err := d.deputy("resource", "type", "set", service, "message", "--file", file)
		require.ErrorContains(t, err, "additionalProperties")
		write(`not JSON`)
		_, err = d.deputy("resource", "type", "set", service, "message", "--file", file)
		require.ErrorContains(t, err, "payment.json")
		_, err = d.deputy("resource", "type", "list", "https://nobody.example")
		require.ErrorContains(t, err, "no resource server named")

		require.Contains(t, d.must("resource", "type", "remove", service, "message"), "message is deleted.")
		require.NotContains(t, d.must("resource", "type", "list", service), "message")
		_, err = d.deputy("resource", "type", "remove", service, "message")
		require.ErrorContains(t, err, "404")
	})
}
