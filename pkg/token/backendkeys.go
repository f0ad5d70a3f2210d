package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
)

// BackendKeyPrefix begins every backend key, so that people, log filters and
// secret scanners recognise one.
const BackendKeyPrefix = "posse_bk_"

const (
	backendFile = "backends.json"
	idBytes     = 8
	secretBytes = 32
	maxLabel    = 128
)

// BackendKey says what a backend key is good for, without its secret.
type BackendKey struct {
	ID      string    `json:"id"`
	Tenant  string    `json:"tenant"`
	Label   string    `json:"label"`
	Created time.Time `json:"created"`
}

// storedKey is a backend key at rest. The secret is 256 random bits, so there is
// no dictionary to try and a slow hash would protect nothing: guessing costs
// 2^255 SHA-256 on average, while every request of a backend pays for one. Slow
// hashes are for secrets that people choose.
type storedKey struct {
	BackendKey
	SHA256 string `json:"sha256"`
	digest [sha256.Size]byte
}

// backendSet is the content of backends.json.
type backendSet struct {
	Keys []storedKey `json:"keys"`
	byID map[string]storedKey
}

// BackendKeys holds the keys with which POS backends record, in the file
// backends.json: which tenant each is for, and the SHA-256 of its secret. Safe
// for concurrent use.
type BackendKeys struct {
	dir  string
	keys watched[backendSet]
}

// OpenBackendKeys opens the backend keys in dir; a missing file means none. A nil
// log means slog.Default(). The error is ErrInsecureFile when others may read the
// file, and ErrDamagedFile when it makes no sense.
func OpenBackendKeys(dir string, log *slog.Logger) (*BackendKeys, error) {
	if dir == "" {
		return nil, errors.New("token: open backend keys: no directory given")
	}
	if log == nil {
		log = slog.Default()
	}
	b := &BackendKeys{dir: dir, keys: watched[backendSet]{
		path:     filepath.Join(dir, backendFile),
		parse:    parseBackendSet,
		optional: true,
		log:      log,
	}}
	if err := b.keys.open(); err != nil {
		return nil, err
	}
	return b, nil
}

// Create makes a key for tenant. The plaintext, posse_bk_<id>_<secret>, exists
// only in this answer. The label, at most 128 printable bytes, is for people.
func (b *BackendKeys) Create(tenant, label string, now time.Time) (plaintext string, key BackendKey, err error) {
	if err := events.ValidateID("tenant", tenant); err != nil {
		return "", BackendKey{}, fmt.Errorf("token: create backend key: %w", err)
	}
	if err := checkLabel(label); err != nil {
		return "", BackendKey{}, fmt.Errorf("token: create backend key: %w", err)
	}
	id, secret := randomBytes(idBytes), randomBytes(secretBytes)
	digest := sha256.Sum256(secret)
	key = BackendKey{
		ID: hex.EncodeToString(id), Tenant: tenant, Label: label,
		Created: now.UTC().Truncate(time.Millisecond),
	}
	err = b.keys.replace(b.dir, func(set backendSet) ([]byte, error) {
		stored := storedKey{BackendKey: key, SHA256: hex.EncodeToString(digest[:])}
		return encodeFile(backendSet{Keys: append(slices.Clone(set.Keys), stored)})
	})
	if err != nil {
		return "", BackendKey{}, fmt.Errorf("create backend key: %w", err)
	}
	return BackendKeyPrefix + key.ID + "_" + hex.EncodeToString(secret), key, nil
}

// checkLabel keeps a list of keys readable in a terminal.
func checkLabel(label string) error {
	if len(label) > maxLabel {
		return fmt.Errorf("the label is %d bytes long, at most %d are allowed", len(label), maxLabel)
	}
	if strings.ContainsFunc(label, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		return fmt.Errorf("the label %q contains what cannot be printed", label)
	}
	return nil
}

// Lookup returns what the key is good for, or ErrInvalidBackendKey. A key that
// was just made elsewhere is known at once, one that was revoked elsewhere is
// refused within a second.
func (b *BackendKeys) Lookup(plaintext string) (BackendKey, error) {
	id, digest, err := parseBackendKey(plaintext)
	if err != nil {
		return BackendKey{}, err
	}
	stored, ok := b.keys.get().byID[id]
	if !ok {
		stored, ok = b.keys.recheck().byID[id]
	}
	if !ok {
		return BackendKey{}, fmt.Errorf("%w: there is no key %s: it may have been revoked", ErrInvalidBackendKey, id)
	}
	if subtle.ConstantTimeCompare(stored.digest[:], digest[:]) != 1 {
		return BackendKey{}, fmt.Errorf("%w: the secret is not that of key %s", ErrInvalidBackendKey, id)
	}
	return stored.BackendKey, nil
}

// List returns all keys in the order of their making.
func (b *BackendKeys) List() []BackendKey {
	set := b.keys.recheck()
	keys := make([]BackendKey, len(set.Keys))
	for i, stored := range set.Keys {
		keys[i] = stored.BackendKey
	}
	return keys
}

// Revoke deletes a key. Other processes refuse it within a second. The error is
// ErrInvalidBackendKey when there is no such key.
func (b *BackendKeys) Revoke(id string) error {
	err := b.keys.replace(b.dir, func(set backendSet) ([]byte, error) {
		if _, ok := set.byID[id]; !ok {
			return nil, fmt.Errorf("%w: there is no key %q", ErrInvalidBackendKey, id)
		}
		keep := slices.DeleteFunc(slices.Clone(set.Keys), func(k storedKey) bool { return k.ID == id })
		return encodeFile(backendSet{Keys: keep})
	})
	if err != nil {
		return fmt.Errorf("revoke backend key: %w", err)
	}
	return nil
}

// parseBackendKey takes a key apart. There is exactly one way to write each key.
func parseBackendKey(plaintext string) (id string, digest [sha256.Size]byte, err error) {
	rest, ok := strings.CutPrefix(plaintext, BackendKeyPrefix)
	id, secret, both := strings.Cut(rest, "_")
	if !ok || !both || !isHex(id, idBytes) || !isHex(secret, secretBytes) {
		return "", digest, fmt.Errorf("%w: it is not of the form %s<id>_<secret>", ErrInvalidBackendKey, BackendKeyPrefix)
	}
	raw, err := hex.DecodeString(secret)
	if err != nil {
		return "", digest, fmt.Errorf("%w: its secret is not hexadecimal", ErrInvalidBackendKey)
	}
	return id, sha256.Sum256(raw), nil
}

// isHex reports whether s is n bytes in lower-case hexadecimal.
func isHex(s string, n int) bool {
	return len(s) == hex.EncodedLen(n) && strings.Trim(s, "0123456789abcdef") == ""
}

func parseBackendSet(path string, data []byte) (backendSet, error) {
	set := backendSet{byID: map[string]storedKey{}}
	if err := json.Unmarshal(data, &set); err != nil {
		return backendSet{}, fmt.Errorf("%w: %s: %w: restore it from a backup", ErrDamagedFile, path, err)
	}
	for i, key := range set.Keys {
		digest, err := hex.DecodeString(key.SHA256)
		if err != nil || len(digest) != sha256.Size || !isHex(key.ID, idBytes) || key.Tenant == "" {
			return backendSet{}, fmt.Errorf("%w: %s: key %q, number %d, is incomplete", ErrDamagedFile, path, key.ID, i+1)
		}
		key.digest = [sha256.Size]byte(digest)
		set.byID[key.ID] = key
	}
	return set, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails: it ends the process instead
	return b
}
