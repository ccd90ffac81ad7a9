package models

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsCarryTheirChecksum(t *testing.T) {
	for _, prefix := range []string{SecretPrefix, CodePrefix, RefreshPrefix, AuthReqPrefix, DeviceCodePrefix} {
		s := newSecret(prefix)
		require.True(t, Genuine(s), s)
		require.Len(t, s, len(prefix)+randomLength+checksumLength)
		for i := range s {
			other := byte('A')
			if s[i] == other {
				other = 'B'
			}
			require.False(t, Genuine(s[:i]+string(other)+s[i+1:]), "one letter changed at %d", i)
			require.False(t, Genuine(s[:i]), "cut at %d", i)
		}
	}
	require.Equal(t, "deputy_sk_AAAA1yr7P1", Marked("deputy_sk_AAAA"), "others compute it: it must not change")
	for _, text := range []string{"", "dpt_", "deputy_sk_", Marked("ghp_" + strings.Repeat("A", 43)), Marked("dpt_" + strings.Repeat("A", 300))} {
		require.False(t, Genuine(text), text)
	}
}
