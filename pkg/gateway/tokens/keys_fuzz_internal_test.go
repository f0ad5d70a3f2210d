package tokens

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"strings"
	"testing"
)

// FuzzKeySet reads what an issuer may publish: public keys alone are taken, of a set
// that says too much, too.
func FuzzKeySet(f *testing.F) {
	const x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
	for _, text := range []string{
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + x + `","kid":"a","use":"sig"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + x + `","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`,
		`{"keys":[{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},null,7]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + x + `","use":"enc"}]}`, `{"keys":[]}`, `[]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseKeySet(data)
		if err != nil {
			if len(set.keys) != 0 || !strings.HasPrefix(err.Error(), "tokens: ") {
				t.Errorf("refused as %d keys with %v", len(set.keys), err)
			}
			return
		}
		if len(set.keys) == 0 {
			t.Error("a set without a key verifies nothing, and nobody hears of it")
		}
		for _, key := range set.keys {
			switch material := key.material.(type) {
			case ed25519.PublicKey, *ecdsa.PublicKey, *rsa.PublicKey:
			default:
				t.Errorf("key %q is a %T", key.id, material)
			}
		}
	})
}
