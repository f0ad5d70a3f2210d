package token

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	signingFile = "signing.json"
	// DefaultLongest is the absolute lifetime of a session unless a tenant's
	// policy says otherwise.
	DefaultLongest = 30 * 24 * time.Hour
	// rotationSlack covers a process that still signs with the old key because it
	// has not noticed the rotation, and clocks that differ.
	rotationSlack = time.Minute
)

// KeyringConfig says where the signing keys are.
type KeyringConfig struct {
	// Dir is the directory of the key files; it is created with mode 0700.
	// Required.
	Dir string
	// Algorithm is that of keys to come; keys that exist keep theirs. Empty means
	// EdDSA.
	Algorithm Algorithm
	// Longest is the longest lifetime of any token, which is the longest absolute
	// lifetime of a session: so long a rotated key keeps verifying. 0 means
	// DefaultLongest.
	Longest time.Duration
	// Now is the clock by which keys retire. Nil means time.Now.
	Now func() time.Time
	// Logger hears of key files that cannot be used. Nil means slog.Default().
	Logger *slog.Logger
}

func (c KeyringConfig) withDefaults() KeyringConfig {
	if c.Algorithm == "" {
		c.Algorithm = EdDSA
	}
	if c.Longest <= 0 {
		c.Longest = DefaultLongest
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Keyring holds the keys that posse signs its tokens with, in the file
// signing.json, a private JWK set. One key signs; those that signed before
// verify until their last token has expired. Safe for concurrent use.
type Keyring struct {
	cfg  KeyringConfig
	keys watched[keySet]
}

// KeyInfo describes a signing key without the key.
type KeyInfo struct {
	ID        string    `json:"id"`
	Algorithm Algorithm `json:"algorithm"`
	Created   time.Time `json:"created"`
	// Retire is when the key stops verifying; zero for the key that signs.
	Retire time.Time `json:"retire,omitzero"`
}

// OpenKeyring opens the keyring in cfg.Dir, and makes its first key when there is
// none. The error is ErrInsecureFile when others may read the file, and
// ErrDamagedFile when it is no keyring.
func OpenKeyring(cfg KeyringConfig) (*Keyring, error) {
	if cfg.Dir == "" {
		return nil, errors.New("token: open keyring: no directory given")
	}
	cfg = cfg.withDefaults()
	k := &Keyring{cfg: cfg, keys: watched[keySet]{
		path:  filepath.Join(cfg.Dir, signingFile),
		parse: parseKeySet,
		log:   cfg.Logger,
	}}
	err := k.keys.open()
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.Join(k.createFirst(), k.keys.open())
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// createFirst makes the first key, unless another process was faster.
func (k *Keyring) createFirst() error {
	return locked(k.cfg.Dir, func() error {
		if _, err := os.Lstat(k.keys.path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		key, err := newSigningKey(k.cfg.Algorithm, k.cfg.Now())
		if err != nil {
			return err
		}
		data, err := encodeFile(keySet{Keys: []*signingKey{key}})
		if err != nil {
			return err
		}
		return replaceFile(k.keys.path, data)
	})
}

// Rotate makes a new key and signs with it from now on. The key that signed until
// now keeps verifying for the longest lifetime of a token; keys whose time is
// over are dropped. Other processes follow within a second.
func (k *Keyring) Rotate(now time.Time) (KeyInfo, error) {
	next, err := newSigningKey(k.cfg.Algorithm, now)
	if err != nil {
		return KeyInfo{}, err
	}
	retire := now.Add(k.cfg.Longest + rotationSlack).UTC().Truncate(time.Millisecond)
	err = k.keys.replace(k.cfg.Dir, func(set keySet) ([]byte, error) {
		return encodeFile(set.rotated(next, now, retire))
	})
	if err != nil {
		return KeyInfo{}, fmt.Errorf("rotate signing key: %w", err)
	}
	return next.info(), nil
}

// PublicJWKS returns the keys that verify tokens of this keyring, newest first,
// for /.well-known/jwks.json. It marshals to JSON and holds no private key.
func (k *Keyring) PublicJWKS() jose.JSONWebKeySet {
	var public jose.JSONWebKeySet
	for _, key := range k.keys.recheck().Keys {
		if key.verifiesAt(k.cfg.Now()) {
			public.Keys = append(public.Keys, key.jwk.Public())
		}
	}
	return public
}

// Keys describes the keys that sign or verify, newest first.
func (k *Keyring) Keys() []KeyInfo {
	var infos []KeyInfo
	for _, key := range k.keys.recheck().Keys {
		if key.verifiesAt(k.cfg.Now()) {
			infos = append(infos, key.info())
		}
	}
	return infos
}

// signing returns the key that signs.
func (k *Keyring) signing() *signingKey { return k.keys.get().Keys[0] }

// verifying returns the key with that id, also when another process made it only
// now, or nil.
func (k *Keyring) verifying(id string) *signingKey {
	key := k.keys.get().find(id)
	if key == nil {
		key = k.keys.recheck().find(id)
	}
	if key == nil || !key.verifiesAt(k.cfg.Now()) {
		return nil
	}
	return key
}
