package tokens

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSealedKeysOpenUnderTheirNameAndMasterKeyOnly(t *testing.T) {
	master, err := NewMasterKey(GenerateMasterKey())
	require.NoError(t, err)
	other, err := NewMasterKey(GenerateMasterKey())
	require.NoError(t, err)
	sealed := master.Seal("key_1", []byte("private"))
	require.NotContains(t, string(sealed), "private")
	plain, err := master.Open("key_1", sealed)
	require.NoError(t, err)
	require.Equal(t, "private", string(plain))

	_, err = other.Open("key_1", sealed)
	require.ErrorContains(t, err, "another master key")
	_, err = master.Open("key_2", sealed)
	require.Error(t, err, "one key must not pose as another")
	for i := range sealed {
		altered := append([]byte(nil), sealed...)
		altered[i] ^= 1
		_, err := master.Open("key_1", altered)
		require.Error(t, err)
	}
	_, err = master.Open("key_1", sealed[:5])
	require.Error(t, err)
}

func TestMasterKeyMustBe32Bytes(t *testing.T) {
	raw := make([]byte, 32)
	for _, good := range []string{
		base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw) + "\n",
	} {
		_, err := NewMasterKey(good)
		require.NoError(t, err)
	}
	for _, bad := range []string{"", "short", base64.StdEncoding.EncodeToString(raw[:31]), "%%%"} {
		_, err := NewMasterKey(bad)
		require.ErrorContains(t, err, "openssl rand -base64 32")
	}
}

// What the house adds to a token cannot replace what Deputy says in it.
func TestHouseClaimsCannotReplaceOwnClaims(t *testing.T) {
	body, err := (&Claims{Subject: "agt_1", House: map[string]any{"sub": "usr_root", "https://house.example/team": "sales"}}).body()
	require.NoError(t, err)
	require.Contains(t, string(body), `"sub":"agt_1"`)
	require.Contains(t, string(body), `"https://house.example/team":"sales"`)
	require.NotContains(t, string(body), "usr_root")
}

func TestChainsNestAndUnnest(t *testing.T) {
	chain := []string{"agt_3", "agt_2", "app_1"}
	c := Claims{Act: NestActors(chain, func(id string) string { return id[:3] })}
	require.Equal(t, chain, c.Chain())
	require.Equal(t, "app", c.Act.Act.Act.Profile)
	require.Nil(t, NestActors(nil, nil))
	require.Empty(t, (&Claims{}).Chain())
	require.NotNil(t, (&Claims{}).Chain(), "policy must see an empty list, not null")
}
