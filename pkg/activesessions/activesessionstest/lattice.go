package activesessionstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

func anyOrderGivesOneReadModel(t *testing.T, factory Factory) {
	store := factory(t, func() time.Time { return opening })
	rapid.Check(t, func(rt *rapid.T) {
		history := History().Draw(rt, "history")
		want := Reference(history)
		if err := store.Reset(t.Context()); err != nil {
			rt.Fatalf("reset: %v", err)
		}
		replay(rt, store, map[string]eventlog.Position{}, Disorder(rt, history))
		if diff := cmp.Diff(want, Dump(rt, store)); diff != "" {
			rt.Fatalf("read model differs (-want +got):\n%s", diff)
		}
	})
}

// replay applies facts in this order, in batches of any size, as a log would have
// them that goes on at the given positions.
func replay(rt *rapid.T, store Store, at map[string]eventlog.Position, facts []eventlog.Recorded) {
	for len(facts) > 0 {
		size := rapid.IntRange(1, len(facts)).Draw(rt, "batch")
		from := at[facts[0].Stream]
		from.Stream = facts[0].Stream
		to := next(from)
		batch := activesessions.Batch{Facts: facts[:size], Devices: devicesOf(facts[:size]), From: from, To: to}
		if _, err := store.Apply(rt.Context(), batch); err != nil {
			rt.Fatalf("apply: %v", err)
		}
		at[to.Stream], facts = to, facts[size:]
	}
}

// Disorder repeats some facts of a history and shuffles them all.
func Disorder(rt *rapid.T, history []eventlog.Recorded) []eventlog.Recorded {
	again := slices.Clone(history)
	if len(history) > 0 {
		again = append(again, rapid.SliceOfN(rapid.SampledFrom(history), 0, 5).Draw(rt, "repeated")...)
	}
	return rapid.Permutation(again).Draw(rt, "order")
}

// Reference is the dump of the read model that Merge and Forget make of a history.
func Reference(history []eventlog.Recorded) string {
	rows := map[events.Key]activesessions.Session{}
	devices, forgotten := devicesOf(history), forgottenIn(history)
	for _, fact := range history {
		var dev device.Device
		switch event := fact.Event.(type) {
		case events.Unknown, events.Forgotten:
			continue
		case events.LoggedIn:
			dev = devices[activesessions.DeviceHash(event)]
		}
		k := fact.Event.SessionKey()
		rows[k] = activesessions.Merge(rows[k], fact, dev)
	}
	lines := make([]string, 0, len(rows))
	for _, row := range sortedRows(rows) {
		row.Forget(forgotten[userOf(row.Key)])
		line, err := activesessions.DumpLine(&row)
		if err != nil {
			panic(err) // strings and numbers always can be dumped
		}
		lines = append(lines, string(line))
	}
	return strings.Join(lines, "\n")
}

func sortedRows(rows map[events.Key]activesessions.Session) []activesessions.Session {
	sorted := make([]activesessions.Session, 0, len(rows))
	for _, row := range rows {
		sorted = append(sorted, row)
	}
	slices.SortFunc(sorted, func(a, b activesessions.Session) int {
		return slices.Compare([]string{a.Tenant, a.User, a.Session}, []string{b.Tenant, b.User, b.Session})
	})
	return sorted
}

type tb interface {
	rapid.TB
	Context() context.Context
}

// Dump returns what Dump of a store writes, a line for each row.
func Dump(t tb, store activesessions.Reader) string {
	t.Helper()
	var lines []string
	err := store.Dump(t.Context(), func(line []byte) error {
		lines = append(lines, string(line))
		return nil
	})
	if err != nil {
		t.Fatalf("dump: %v", err)
	}
	return strings.Join(lines, "\n")
}

// History generates facts about a few sessions: in order, with sequences as a
// log gives them, and with everything in them that a store could trip over.
func History() *rapid.Generator[[]eventlog.Recorded] {
	return rapid.Custom(func(rt *rapid.T) []eventlog.Recorded {
		at := map[bool]eventlog.Position{
			false: {Stream: events.StreamSessions},
			true:  {Stream: events.StreamTouches},
		}
		facts := rapid.SliceOfN(Fact(), 0, 24).Draw(rt, "facts")
		history := make([]eventlog.Recorded, 0, len(facts))
		for _, fact := range facts {
			isTouch := fact.EventType() == events.TypeTouched
			at[isTouch] = next(at[isTouch])
			history = append(history, recorded(fact, at[isTouch], fact.Occurred().Time()))
		}
		return history
	})
}

var (
	genID = rapid.SampledFrom([]string{"a", "b", "B", "ä", "a\x00b", "a\x01", "%", "50%_\\", "한국"})
	genIP = rapid.SampledFrom([]string{"", "192.0.2.1", "192.0.2.20", "2001:db8::1"})
	// Text has what databases refuse, patterns mean and terminals obey.
	genText = rapid.SampledFrom([]string{
		"", "x", "Zoë", "\x00", "\x01\x00\x01", "o'brien", `a"b\c`, "{1,2}", "NULL", "😀", "line\nbreak", "\u202eabc",
	})
	genTime = rapid.Custom(func(rt *rapid.T) events.Timestamp {
		return stamp(opening) + events.Timestamp(rapid.IntRange(-3, 12).Draw(rt, "hour"))*250
	})
	genKey = rapid.Custom(func(rt *rapid.T) events.Key {
		return events.Key{
			Tenant:  rapid.SampledFrom([]string{"t", "t\x00"}).Draw(rt, "tenant"),
			User:    rapid.SampledFrom([]string{"u", "v"}).Draw(rt, "user"),
			Session: genID.Draw(rt, "session"),
		}
	})
)

// Fact generates one fact of any type.
func Fact() *rapid.Generator[events.Event] {
	return rapid.Custom(func(rt *rapid.T) events.Event {
		switch rapid.SampledFrom([]string{"login", "login", "refresh", "touch", "touch", "end", "unknown", "forgotten"}).Draw(rt, "type") {
		case "login":
			return genLogin(rt)
		case "refresh":
			return events.Refreshed{
				Key: genKey.Draw(rt, "key"), EventTimestamp: genTime.Draw(rt, "at"), Expires: genTime.Draw(rt, "expires"),
				Generation: rapid.Uint64Range(0, 3).Draw(rt, "generation"), Personal: genDevicePersonal(rt),
			}
		case "touch":
			return events.Touched{
				Key: genKey.Draw(rt, "key"), EventTimestamp: genTime.Draw(rt, "at"), Personal: genDevicePersonal(rt),
			}
		case "end":
			return genRevoked(rt)
		case "forgotten":
			k := genKey.Draw(rt, "key")
			return events.Forgotten{Tenant: k.Tenant, User: k.User, EventTimestamp: genTime.Draw(rt, "at")}
		default:
			k := genKey.Draw(rt, "key")
			return events.Unknown{Key: k, Type: "session.renamed", Version: 7}
		}
	})
}

func genLogin(rt *rapid.T) events.LoggedIn {
	login := events.LoggedIn{
		Key:            genKey.Draw(rt, "key"),
		EventTimestamp: genTime.Draw(rt, "at"),
		Created:        rapid.OneOf(genTime, rapid.Just(events.Timestamp(0))).Draw(rt, "created"),
		Expires:        genTime.Draw(rt, "expires"),
		Platform:       genText.Draw(rt, "platform"),
		AppVersion:     genText.Draw(rt, "app version"),
		Build:          genText.Draw(rt, "build"),
		Personal: events.LoginPersonal{
			Username:    genText.Draw(rt, "username"),
			DisplayName: genText.Draw(rt, "display name"),
			AvatarURL:   genText.Draw(rt, "avatar"),
			DeviceLabel: genText.Draw(rt, "label"),
			UserAgent:   genText.Draw(rt, "user agent"),
			IP:          genIP.Draw(rt, "ip"),
		},
	}
	if rapid.Bool().Draw(rt, "hints") {
		login.Personal.ClientHints = map[string]string{genText.Draw(rt, "hint"): genText.Draw(rt, "value")}
	}
	return login
}

func genRevoked(rt *rapid.T) events.Revoked {
	return events.Revoked{
		Key:              genKey.Draw(rt, "key"),
		EventTimestamp:   genTime.Draw(rt, "at"),
		Cause:            rapid.SampledFrom([]events.Cause{events.CauseLogout, events.CauseIdle, "heat death"}).Draw(rt, "cause"),
		InitiatingEntity: events.InitiatedByUser,
		Actor:            events.Actor{User: genText.Draw(rt, "actor"), Session: genText.Draw(rt, "with")},
		Expires:          genTime.Draw(rt, "expires"),
		CommandID:        fmt.Sprintf("c%d", rapid.IntRange(0, 9).Draw(rt, "command")),
		Personal: events.RevokedPersonal{
			ActorIP:     genIP.Draw(rt, "actor ip"),
			ReasonAdmin: genText.Draw(rt, "reason admin"),
			ReasonUser:  genText.Draw(rt, "reason user"),
		},
	}
}

func genDevicePersonal(rt *rapid.T) events.DevicePersonal {
	return events.DevicePersonal{IP: genIP.Draw(rt, "ip"), UserAgent: genText.Draw(rt, "user agent")}
}
