package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"time"
	"unsafe"
)

// ways is how many places there are for each token.
const ways = 4

// tokenCache remembers which tokens were verified, by their SHA-256: a till sends
// the same token for half an hour. It knows nothing of revocations; whoever finds
// a token here still asks the deny-set. A token stays until it expires, the
// issuer's keys change or another one takes its place, so the revoked session
// that goes on asking costs little too.
//
// A token has four places, decided by its hash, which are read and written
// without a lock.
type tokenCache struct {
	places []atomic.Pointer[verified]
	victim atomic.Uint32
}

type tokenHash [sha256.Size]byte

type verified struct {
	hash    tokenHash
	session Session
	end     time.Time // when the token is no longer good
	version uint64    // of the keys it was verified with
}

// newTokenCache has room for about n tokens; it may be nil, for none.
func newTokenCache(n int) *tokenCache {
	if n <= 0 {
		return nil
	}
	return &tokenCache{places: make([]atomic.Pointer[verified], max(ways, 1<<bits.Len(uint(n-1))))}
}

// hashToken reads the token's bytes where they are: copying them would be the one
// allocation of a decision. Sum256 does not keep or change them.
func hashToken(token string) tokenHash {
	return sha256.Sum256(unsafe.Slice(unsafe.StringData(token), len(token))) //nolint:gosec // see above
}

func (c *tokenCache) set(hash tokenHash) []atomic.Pointer[verified] {
	sets := uint64(len(c.places) / ways)
	first := (binary.LittleEndian.Uint64(hash[:8]) & (sets - 1)) * ways
	return c.places[first : first+ways]
}

func (c *tokenCache) get(hash tokenHash, now time.Time, version uint64) *verified {
	places := c.set(hash)
	for i := range places {
		if v := places[i].Load(); v != nil && v.hash == hash && v.good(now, version) {
			return v
		}
	}
	return nil
}

// put takes the place of a token that is no longer good, or of any.
func (c *tokenCache) put(v *verified, now time.Time) {
	places := c.set(v.hash)
	for i := range places {
		if old := places[i].Load(); old == nil || old.hash == v.hash || !old.good(now, v.version) {
			places[i].Store(v)
			return
		}
	}
	places[c.victim.Add(1)%ways].Store(v)
}

func (v *verified) good(now time.Time, version uint64) bool {
	return v.version == version && now.Before(v.end)
}
