package proof

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/posse-pos/posse/pkg/token"
)

// keyFile lies in the directory of the keys: the private key and the public one,
// each a line as package note writes them.
const keyFile = "audit.key"

// Key signs checkpoints.
type Key struct {
	signer note.Signer
	public string
}

// OpenKey returns the key in a directory of keys, and makes one for a log's origin
// when there is none. An empty origin makes nothing: the error then wraps
// fs.ErrNotExist. Origins are names such as "example.com/pos", without spaces and
// plus signs.
func OpenKey(dir, origin string) (Key, error) {
	var create func() ([]byte, error)
	if origin != "" {
		create = func() ([]byte, error) { return newKey(origin) }
	}
	data, err := token.SecretFile(dir, keyFile, create)
	if err != nil {
		return Key{}, fmt.Errorf("proof: the key of the checkpoints: %w", err)
	}
	key, err := parseKey(string(data))
	if err != nil {
		return Key{}, fmt.Errorf("proof: %s in %s is not a key of checkpoints: %w", keyFile, dir, err)
	}
	if origin != "" && key.Origin() != origin {
		return Key{}, fmt.Errorf("proof: the key in %s is of the log %q, not of %q: give that origin, or other keys",
			dir, key.Origin(), origin)
	}
	return key, nil
}

func newKey(origin string) ([]byte, error) {
	private, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, fmt.Errorf("proof: make a key: %w", err)
	}
	if _, err := note.NewSigner(private); err != nil {
		return nil, fmt.Errorf("proof: an origin is a name such as example.com/pos, not %q", origin)
	}
	return []byte(private + "\n" + public + "\n"), nil
}

// parseKey never quotes the key in its error.
func parseKey(text string) (Key, error) {
	private, public, found := strings.Cut(strings.TrimSuffix(text, "\n"), "\n")
	if !found {
		return Key{}, errors.New("it has no two lines")
	}
	signer, signerErr := note.NewSigner(private)
	verifier, verifierErr := note.NewVerifier(public)
	if signerErr != nil || verifierErr != nil {
		return Key{}, errors.New("its lines are not a private and a public key")
	}
	if signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash() {
		return Key{}, errors.New("its private and its public key do not belong together")
	}
	return Key{signer: signer, public: public}, nil
}

// Origin names the log that the key signs for.
func (k Key) Origin() string { return k.signer.Name() }

// Public is what verifies the checkpoints, for everybody.
func (k Key) Public() string { return k.public }

// Verifiers returns the verifiers of public keys, as Key.Public has them.
func Verifiers(public ...string) (note.Verifiers, error) {
	list := make([]note.Verifier, len(public))
	for i, key := range public {
		verifier, err := note.NewVerifier(strings.TrimSpace(key))
		if err != nil {
			return nil, fmt.Errorf("proof: %q is not a public key such as `posse audit key` prints: %w", key, err)
		}
		list[i] = verifier
	}
	return note.VerifierList(list...), nil
}
