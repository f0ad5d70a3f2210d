// Package denyset holds the sessions that are revoked: exact, in memory, read
// without a lock while one writer adds to it.
//
// A Set is 256 hash tables with open addressing in buckets of eight. A reader finds
// a table through an atomic pointer and loads a bucket's eight tags, of a byte each,
// at once: that is most answers, and at a million entries the tags are 2 MB, which a
// processor's cache holds. An entry is published before its tag, and a slot that
// was filled stays filled. The writer removes and grows by building a table anew and
// exchanging the pointer, which at a million entries costs it a fraction of a
// millisecond and readers nothing.
package denyset

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"sync/atomic"
)

const (
	shardCount = 256
	shardShift = 64 - 8
	tagBits    = 8
	tagShift   = shardShift - tagBits
	slots      = 8 // of a bucket
	// A table grows when it is filled to three quarters.
	fullNum, fullDen = 3, 4
)

// Set is a set of sessions, each with a moment after which it need not be
// remembered. Contains and Len may be called at any time; the other methods by
// one goroutine at a time.
type Set struct {
	seed    maphash.Seed
	shards  [shardCount]shard
	size    atomic.Int64
	tenants map[string]*string // so that entries share the names
	next    int                // shard that Sweep looks at next
}

type shard struct {
	table atomic.Pointer[table]
	used  int
}

// table has a word of tags for each bucket, in which the byte of an empty slot is
// 0, and the entries of all buckets in a row.
type table struct {
	tags    []atomic.Uint64
	entries []atomic.Pointer[Entry]
}

// Entry is one session of the set. It does not change.
type Entry struct {
	tenant  *string
	Session string
	Expires int64
}

// Tenant returns the tenant of the session.
func (e *Entry) Tenant() string { return *e.tenant }

// New returns an empty set.
func New() *Set {
	s := &Set{seed: maphash.MakeSeed(), tenants: map[string]*string{}}
	for i := range s.shards {
		s.shards[i].table.Store(newTable(1))
	}
	return s
}

func newTable(buckets int) *table {
	return &table{tags: make([]atomic.Uint64, buckets), entries: make([]atomic.Pointer[Entry], slots*buckets)}
}

// Contains reports whether the session is in the set.
func (s *Set) Contains(tenant, session string) bool {
	h := s.hash(tenant, session)
	return s.shards[h>>shardShift].table.Load().find(h, tenant, session) >= 0
}

// Len returns how many sessions are in the set.
func (s *Set) Len() int { return int(s.size.Load()) }

// Add puts a session into the set, or extends its stay, and reports whether it
// was not there before.
func (s *Set) Add(tenant, session string, expires int64) bool {
	h := s.hash(tenant, session)
	sh := &s.shards[h>>shardShift]
	t := sh.table.Load()
	entry := &Entry{tenant: s.intern(tenant), Session: session, Expires: expires}
	if i := t.find(h, tenant, session); i >= 0 {
		if t.entries[i].Load().Expires < expires {
			t.entries[i].Store(entry)
		}
		return false
	}
	if (sh.used+1)*fullDen > len(t.entries)*fullNum {
		t = s.rebuild(sh, 2*len(t.tags), func(*Entry) bool { return true })
	}
	t.insert(h, entry)
	sh.used++
	s.size.Add(1)
	return true
}

// Sweep looks at the next n of 256 parts of the set, drops what expired before
// the moment, and returns how many sessions that were.
func (s *Set) Sweep(n int, before int64) (dropped int) {
	for range n {
		sh := &s.shards[s.next]
		s.next = (s.next + 1) % shardCount
		dropped += s.sweep(sh, before)
	}
	return dropped
}

func (s *Set) sweep(sh *shard, before int64) int {
	live := 0
	for entry := range sh.table.Load().all() {
		if entry.Expires >= before {
			live++
		}
	}
	dropped := sh.used - live
	if dropped == 0 {
		return 0
	}
	s.rebuild(sh, bucketsFor(live), func(e *Entry) bool { return e.Expires >= before })
	sh.used = live
	s.size.Add(int64(-dropped))
	return dropped
}

// All yields the entries. What is added meanwhile may be among them or not; it
// may be called while the writer works.
func (s *Set) All() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for i := range s.shards {
			for entry := range s.shards[i].table.Load().all() {
				if !yield(entry) {
					return
				}
			}
		}
	}
}

func (s *Set) rebuild(sh *shard, buckets int, keep func(*Entry) bool) *table {
	next := newTable(buckets)
	for entry := range sh.table.Load().all() {
		if keep(entry) {
			next.insert(s.hash(entry.Tenant(), entry.Session), entry)
		}
	}
	sh.table.Store(next)
	return next
}

// bucketsFor returns a power of two that n entries do not fill.
func bucketsFor(n int) int {
	return 1 << bits.Len(uint(n*fullDen/fullNum/slots))
}

func (s *Set) intern(tenant string) *string {
	name, ok := s.tenants[tenant]
	if !ok {
		name = &tenant
		s.tenants[tenant] = name
	}
	return name
}

// hash is keyed by a secret, so that nobody can choose session ids that collide.
func (s *Set) hash(tenant, session string) uint64 {
	return maphash.String(s.seed, session) ^ bits.RotateLeft64(maphash.String(s.seed, tenant), 17)
}

// tagOf is never 0.
func tagOf(hash uint64) uint64 { return max(hash>>tagShift&0xff, 1) }

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// zeros marks the bytes of a word that are 0, and perhaps some above the lowest
// of them.
func zeros(word uint64) uint64 { return (word - lowBits) &^ word & highBits }

func (t *table) find(hash uint64, tenant, session string) int {
	mask := uint64(len(t.tags) - 1)
	want := tagOf(hash) * lowBits
	for b := hash & mask; ; b = (b + 1) & mask {
		tags := t.tags[b].Load()
		for same := zeros(tags ^ want); same != 0; same &= same - 1 {
			i := int(b)*slots + bits.TrailingZeros64(same)/tagBits
			if e := t.entries[i].Load(); e != nil && e.Session == session && *e.tenant == tenant {
				return i
			}
		}
		if zeros(tags) != 0 {
			return -1
		}
	}
}

func (t *table) insert(hash uint64, entry *Entry) {
	mask := uint64(len(t.tags) - 1)
	b := hash & mask
	for zeros(t.tags[b].Load()) == 0 {
		b = (b + 1) & mask
	}
	tags := t.tags[b].Load()
	free := bits.TrailingZeros64(zeros(tags)) / tagBits
	t.entries[int(b)*slots+free].Store(entry)
	t.tags[b].Store(tags | tagOf(hash)<<(tagBits*free))
}

func (t *table) all() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for i := range t.entries {
			if entry := t.entries[i].Load(); entry != nil && !yield(entry) {
				return
			}
		}
	}
}
