// Package pagetoken makes the opaque tokens that continue a list of users. A
// token is authenticated together with the query it belongs to, so it is good
// for that query in that read model and for nothing else; it carries no secret.
package pagetoken

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
)

// Lifetime is how long a token can be used. Stores keep for as long where users
// stood in a list that somebody is paging through.
const Lifetime = 15 * time.Minute

// skew is how far ahead of our clock a token may have been made elsewhere.
const skew = time.Minute

// MaxLen is the length of the longest token, in bytes.
const MaxLen = (head + events.MaxID + macSize + 2) / 3 * 4

const (
	format  = 1
	head    = 1 + 8 + 8 + 8
	macSize = 16
)

// Token says after which user a page starts.
type Token struct {
	Version uint64    // of the list that the first page showed
	Issued  time.Time // when the first page was made
	Place   int64     // of the last user shown
	User    string    // the last user shown
}

// Encode makes the token of a query.
func Encode(secret []byte, q *activesessions.UsersQuery, t Token) string {
	buf := make([]byte, 0, head+len(t.User)+macSize)
	buf = append(buf, format)
	buf = binary.BigEndian.AppendUint64(buf, t.Version)
	buf = binary.BigEndian.AppendUint64(buf, uint64(t.Issued.UnixMilli()))
	buf = binary.BigEndian.AppendUint64(buf, uint64(t.Place))
	buf = append(buf, t.User...)
	buf = append(buf, mac(secret, q, buf)...)
	return base64.RawURLEncoding.EncodeToString(buf)
}

// Decode reads the token of a query, q.PageToken. An error wraps
// activesessions.ErrPageToken.
func Decode(secret []byte, q *activesessions.UsersQuery) (Token, error) {
	if len(q.PageToken) > MaxLen {
		return Token{}, fmt.Errorf("%w: it has %d bytes, at most %d are possible", activesessions.ErrPageToken, len(q.PageToken), MaxLen)
	}
	buf, err := base64.RawURLEncoding.Strict().DecodeString(q.PageToken)
	isOurs := err == nil && base64.RawURLEncoding.EncodeToString(buf) == q.PageToken // line breaks decode too
	if !isOurs || len(buf) <= head+macSize || buf[0] != format {
		return Token{}, fmt.Errorf("%w: it is not of this form", activesessions.ErrPageToken)
	}
	body, sum := buf[:len(buf)-macSize], buf[len(buf)-macSize:]
	if !hmac.Equal(sum, mac(secret, q, body)) {
		return Token{}, fmt.Errorf("%w: it belongs to another query or read model; start from the first page", activesessions.ErrPageToken)
	}
	t := Token{
		Version: binary.BigEndian.Uint64(body[1:]),
		Issued:  time.UnixMilli(int64(binary.BigEndian.Uint64(body[9:]))).UTC(),
		Place:   int64(binary.BigEndian.Uint64(body[17:])),
		User:    string(body[head:]),
	}
	if age := q.Now.Sub(t.Issued); age > Lifetime || age < -skew {
		return Token{}, fmt.Errorf("%w: it was good for %v; start from the first page", activesessions.ErrPageToken, Lifetime)
	}
	return t, nil
}

// mac covers what selects the users of a query, but not the size of a page.
func mac(secret []byte, q *activesessions.UsersQuery, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	for _, field := range [...]string{q.Tenant, q.User, q.Filter} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(field))) // a hash takes everything
		h.Write([]byte(field))
	}
	_ = binary.Write(h, binary.BigEndian, int64(events.TimestampOf(q.At)))
	h.Write(body)
	return h.Sum(nil)[:macSize]
}
