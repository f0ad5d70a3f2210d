package pgstore

import (
	"context"
	"hash/fnv"
	"io"
	"maps"
	"slices"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/internal/order"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// folded is a batch with one row for each session: what Merge makes of its facts
// alone. Rows are a semilattice, so joining these to what is stored gives what
// joining the facts one by one gives.
type folded struct {
	rows    []activesessions.Session
	row     map[events.Key]int
	logins  map[activesessions.UserRef]newestLogin
	tenants []string
	met     map[string]struct{}
	// forgotten are users by the sequence of the last fact that says so.
	forgotten map[activesessions.UserRef]uint64
}

// newestLogin is who the login with the greatest sequence says a user is.
type newestLogin struct {
	sequence                         uint64
	username, displayName, avatarURL string
}

// fold takes the device of the login at each index in devices.
func fold(facts []eventlog.Recorded, devices []device.Device) *folded {
	f := &folded{
		rows:   make([]activesessions.Session, 0, len(facts)),
		row:    make(map[events.Key]int, len(facts)),
		logins: map[activesessions.UserRef]newestLogin{},
		met:    map[string]struct{}{},

		forgotten: map[activesessions.UserRef]uint64{},
	}
	for i := range facts {
		f.add(&facts[i], devices[i])
	}
	return f
}

func (f *folded) add(fact *eventlog.Recorded, dev device.Device) {
	switch event := fact.Event.(type) {
	case events.LoggedIn:
		f.hear(fact.Sequence, &event)
	case events.Forgotten:
		f.forgot(activesessions.UserRef{Tenant: event.Tenant, User: event.User}, fact.Sequence)
		return
	case events.Refreshed, events.Touched, events.Revoked:
	default:
		return
	}
	key := fact.Event.SessionKey()
	i, ok := f.row[key]
	if !ok {
		i = len(f.rows)
		f.row[key] = i
		f.rows = append(f.rows, activesessions.Session{})
		f.meet(key.Tenant)
	}
	f.rows[i] = activesessions.Merge(f.rows[i], *fact, dev)
}

func (f *folded) meet(tenant string) {
	if n := len(f.tenants); n > 0 && f.tenants[n-1] == tenant {
		return // as nearly always
	}
	if _, ok := f.met[tenant]; !ok {
		f.met[tenant] = struct{}{}
		f.tenants = append(f.tenants, tenant)
	}
}

func (f *folded) hear(sequence uint64, login *events.LoggedIn) {
	user := activesessions.UserRef{Tenant: login.Tenant, User: login.User}
	if p := &login.Personal; sequence > f.logins[user].sequence {
		f.logins[user] = newestLogin{sequence, p.Username, p.DisplayName, p.AvatarURL}
	}
}

// split separates the rows that only touches made: a plain update does for them.
func (f *folded) split() (upserts, touches []*activesessions.Session) {
	for i := range f.rows {
		if row := &f.rows[i]; row.First == 0 {
			touches = append(touches, row)
		} else {
			upserts = append(upserts, row)
		}
	}
	return upserts, touches
}

// users lists the users of rows, each once.
func users(rows []*activesessions.Session) []activesessions.UserRef {
	seen := make(map[activesessions.UserRef]struct{}, len(rows))
	list := make([]activesessions.UserRef, 0, len(rows))
	for _, row := range rows {
		user := activesessions.UserRef{Tenant: row.Tenant, User: row.User}
		if _, ok := seen[user]; !ok {
			seen[user] = struct{}{}
			list = append(list, user)
		}
	}
	return list
}

// logged are the users who signed in, column by column, as unnest takes them.
type logged struct {
	tenant, user    []string
	login, nameHash []int64
	search          []string
}

func (f *folded) logged() *logged {
	l := &logged{}
	for user, newest := range f.logins {
		l.tenant = append(l.tenant, toText(user.Tenant))
		l.user = append(l.user, toText(user.User))
		l.login = append(l.login, int64(newest.sequence))
		l.nameHash = append(l.nameHash, newest.hash())
		l.search = append(l.search, activesessions.SearchText(newest.username, newest.displayName))
	}
	return l
}

// hash is equal for equal names, in every process.
func (n *newestLogin) hash() int64 {
	h := fnv.New64a()
	for _, part := range [...]string{n.username, n.displayName, n.avatarURL} {
		_, _ = io.WriteString(h, part) // a hash takes everything
		_, _ = h.Write([]byte{0xff})   // which no UTF-8 contains
	}
	return int64(h.Sum64())
}

// named are columns of users.
func (f *folded) named(tenants, ids []string) []any {
	n := len(tenants)
	username, displayName := make([]string, n), make([]string, n)
	avatarURL, search := make([]string, n), make([]string, n)
	for i := range tenants {
		login := f.logins[activesessions.UserRef{Tenant: fromText(tenants[i]), User: fromText(ids[i])}]
		username[i], displayName[i] = toText(login.username), toText(login.displayName)
		avatarURL[i], search[i] = toText(login.avatarURL), activesessions.SearchText(login.username, login.displayName)
	}
	return []any{tenants, ids, username, displayName, avatarURL, search}
}

// steps are the tenants of a batch and how coarse the list of each is.
func (f *folded) steps(listed map[string]int64) (tenants []string, steps []int64) {
	for _, tenant := range f.tenants {
		tenants = append(tenants, toText(tenant))
		steps = append(steps, order.Step(int(listed[tenant])))
	}
	return tenants, steps
}

// devicesOf finds the device of each login in a batch: it came with the batch, or
// the store knows it. Other facts have none.
func (s *Store) devicesOf(ctx context.Context, batch *activesessions.Batch) ([]device.Device, error) {
	devices := make([]device.Device, len(batch.Facts))
	missing := map[string][]int{}
	for i := range batch.Facts {
		login, ok := batch.Facts[i].Event.(events.LoggedIn)
		if !ok {
			continue
		}
		hash := activesessions.DeviceHash(login)
		if devices[i], ok = batch.Devices[hash]; ok {
			continue
		}
		if devices[i], ok = s.devices.Get(hash); !ok {
			missing[hash] = append(missing[hash], i)
		}
	}
	stored, err := s.Devices(ctx, device.Version, slices.Collect(maps.Keys(missing)))
	for hash, d := range stored {
		for _, i := range missing[hash] {
			devices[i] = d
		}
	}
	return devices, err
}
