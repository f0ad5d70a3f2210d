package events

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// ErrNotOpened says that sealed personal data does not open: it was sealed with
// another key, or it is not what was sealed, or not in the fact that it was sealed in.
var ErrNotOpened = errors.New("events: sealed personal data does not open")

// SecretSize is the length of the secret of a PersonalKey, in bytes.
const SecretSize = 32

// maxSealedPayload is MaxPayload after sealing, which takes a third more.
const maxSealedPayload = MaxPayload * 3 / 2

// Sealed is the personal data of a fact as POS_SESSIONS holds it, in place of the
// fact's personal object. Who has lost the key, or never had it, knows of the fact
// all but what it says about a person.
type Sealed struct {
	Key string `json:"key"` // id of the key
	// Data is 12 bytes of nonce, and the JSON of the personal object under AES-256-GCM
	// with it (NIST SP 800-38D) with its tag of 16 bytes, in base64 (RFC 4648 section
	// 4). The additional data is what AdditionalData returns, so that it opens in no
	// other fact.
	Data string `json:"data"`
}

// PersonalKey seals what facts that were stored in one quarter say about one person.
type PersonalKey struct {
	ID     string           `json:"id"` // the quarter, a hyphen and a random part
	Secret [SecretSize]byte `json:"-"`
}

// storedKey is a PersonalKey as the bucket POS_KEYS holds it.
type storedKey struct {
	ID     string `json:"id"`
	Secret []byte `json:"secret"` // in base64
}

// NewPersonalKey makes a key for a quarter.
func NewPersonalKey(quarter string) PersonalKey {
	key := PersonalKey{ID: quarter + "-" + strings.ToLower(rand.Text()[:keyRandom])}
	_, _ = rand.Read(key.Secret[:]) // never fails
	return key
}

// keyRandom is how many characters of base32 tell the keys of a user's quarter
// apart: a key that was destroyed is followed by another.
const keyRandom = 13

// Quarter returns which quarter's key it is, such as "2026q1".
func (k PersonalKey) Quarter() string { return QuarterOfKey(k.ID) }

// QuarterOfKey returns the quarter in the id of a key.
func QuarterOfKey(id string) string {
	quarter, _, _ := strings.Cut(id, "-")
	return quarter
}

// Quarter names the quarter of a moment, in UTC: "2026q1" from 1 January to 31 March.
func Quarter(t time.Time) string {
	t = t.UTC()
	return fmt.Sprintf("%04dq%d", t.Year(), (int(t.Month())+2)/3)
}

// EncodeKey returns what POS_KEYS holds, with the secret.
func EncodeKey(k PersonalKey) ([]byte, error) {
	return json.Marshal(storedKey{ID: k.ID, Secret: k.Secret[:]}) //nolint:gosec // it is what the bucket is for
}

// DecodeKey reads what POS_KEYS holds.
func DecodeKey(data []byte) (PersonalKey, error) {
	var stored storedKey
	if err := json.Unmarshal(data, &stored); err != nil {
		return PersonalKey{}, errors.New("events: a personal key is not the JSON of one") // err may quote it
	}
	if len(stored.Secret) != SecretSize || stored.ID == "" || len(stored.ID) > MaxKeyID {
		return PersonalKey{}, fmt.Errorf("events: personal key %.64q has a secret of %d bytes, want %d",
			stored.ID, len(stored.Secret), SecretSize)
	}
	return PersonalKey{ID: stored.ID, Secret: [SecretSize]byte(stored.Secret)}, nil
}

// String returns the id; the secret is never printed.
func (k PersonalKey) String() string { return k.ID }

// GoString returns the id; the secret is never printed.
func (k PersonalKey) GoString() string { return k.ID }

// Seal encrypts what a fact says about a person. A fact that says nothing, a
// touch, which no history keeps, and an Unknown come back as they are. Errors:
// ErrTooLarge.
func Seal(e Envelope, key PersonalKey) (Envelope, error) {
	if !IsPersonal(e.Event) {
		return e, nil
	}
	f, _ := fieldsOf(e.Event)
	text, err := json.Marshal(f.personal)
	if err != nil {
		return Envelope{}, fmt.Errorf("events: encode personal data of %s: %w", e.Event.EventType(), err)
	}
	if len(text) > MaxPayload {
		return Envelope{}, fmt.Errorf("%w: personal data of session %q has %d bytes, at most %d are allowed",
			ErrTooLarge, e.Event.SessionKey().Session, len(text), MaxPayload)
	}
	data := key.aead().Seal(nil, nil, text, AdditionalData(e)) //nolint:gosec // this AEAD draws the nonce itself
	*f.sealed = Sealed{Key: key.ID, Data: base64.StdEncoding.EncodeToString(data)}
	reflect.ValueOf(f.personal).Elem().SetZero()
	e.Event = f.event()
	return e, nil
}

// Opener opens what one PersonalKey sealed. It may be used concurrently.
type Opener struct {
	key     string // its id
	aead    cipher.AEAD
	decoder Decoder
}

// Opener returns what opens facts with a key; it is worth keeping.
func (d Decoder) Opener(key PersonalKey) Opener { return Opener{key.ID, key.aead(), d} }

// Open is the reverse of Seal. A fact that is not sealed comes back as it is.
// Errors: ErrNotOpened.
func (o Opener) Open(e Envelope) (Envelope, error) {
	f, ok := fieldsOf(e.Event)
	if !ok || f.sealed.Key == "" {
		return e, nil
	}
	if f.sealed.Key != o.key {
		return e, fmt.Errorf("%w: it was sealed with key %.40q, not %q", ErrNotOpened, f.sealed.Key, o.key)
	}
	data, err := base64.StdEncoding.DecodeString(f.sealed.Data)
	if err != nil {
		return e, fmt.Errorf("%w: fact %q: %w", ErrNotOpened, e.ID, err)
	}
	text, err := o.aead.Open(data[:0], nil, data, AdditionalData(e))
	if err != nil {
		return e, fmt.Errorf("%w: fact %q: %w", ErrNotOpened, e.ID, err)
	}
	if err := o.decoder.unmarshal(text, f.personal); err != nil {
		return e, fmt.Errorf("%w: fact %q: %w", ErrNotOpened, e.ID, err)
	}
	*f.sealed = Sealed{}
	e.Event = f.event()
	return e, nil
}

// IsPersonal reports whether a fact says something about a person that Seal would
// encrypt.
func IsPersonal(e Event) bool {
	f, ok := fieldsOf(e)
	return ok && !reflect.ValueOf(f.personal).Elem().IsZero()
}

// SealedWith returns the id of the key that sealed a fact's personal data, and ""
// if it is not sealed.
func SealedWith(e Event) string {
	switch e := e.(type) {
	case LoggedIn:
		return e.Sealed.Key
	case Refreshed:
		return e.Sealed.Key
	case Revoked:
		return e.Sealed.Key
	default:
		return ""
	}
}

// typicalAdditionalData is a size in bytes that seldom has to grow.
const typicalAdditionalData = 128

// AdditionalData is what sealed personal data is bound to: the fact's id, its type
// with the version, tenant and user, each ended by a zero byte.
func AdditionalData(e Envelope) []byte {
	key := e.Event.SessionKey()
	data := make([]byte, 0, typicalAdditionalData)
	for _, s := range [...]string{e.ID, WireType(e.Event), key.Tenant, key.User} {
		data = append(append(data, s...), 0)
	}
	return data
}

func (k PersonalKey) aead() cipher.AEAD {
	block, err := aes.NewCipher(k.Secret[:])
	if err != nil {
		panic("events: AES-256 takes any 32 bytes: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("events: GCM takes AES: " + err.Error())
	}
	return aead
}

// fields are those parts of a fact that sealing changes.
type fields struct {
	personal any // pointer
	sealed   *Sealed
	event    func() Event // with what personal and sealed point to now
}

func fieldsOf(e Event) (fields, bool) {
	switch e := e.(type) {
	case LoggedIn:
		return fields{&e.Personal, &e.Sealed, func() Event { return e }}, true
	case Refreshed:
		return fields{&e.Personal, &e.Sealed, func() Event { return e }}, true
	case Revoked:
		return fields{&e.Personal, &e.Sealed, func() Event { return e }}, true
	default:
		return fields{}, false
	}
}
