package pgstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const sessionsEach = 5 // of a user

// Names as a chain of shops has them: a few are common and most are not. Those who
// have one of the last are all asleep.
var (
	givenNames = strings.Fields(`Maria Anna Thomas Peter Sofia Lukas Emma Jan Paul Laura Ben Mia David Elena Felix Ida Omar Julia
		Noah Clara Hugo Nora Ali Eva Ivo Greta Max Lena Tim Zoë Åsa Łukasz Đorđe İpek Владимир Σίσυφος Xu Quy`)
	familyNames = strings.Fields(`Müller Smith García Nguyen Rossi Dubois Kowalski Jensen Novák Silva Andersson Fischer Haddad
		Öztürk Weiß O'Brien Popescu Horvat Kim-Lee Virtanen Papadopoulos Иванов Schwarzenegger Yıldız Qvist Ŝan`)
	asleepNames = strings.Fields(`김민준 이서연 박지후 최하은 정도윤 한예지`)
)

// typed are filters as somebody types them: common, rare and absent ones, of every
// script and of none.
var typed = []string{
	"maria", "anna g", "schwar", "xuqv", "zoë", "weiß", "o'brie", "김민준", "σίσυφο", "иванов",
	"4711", "#69", "till-9", "-", ".", "%", "@", "qq", "zzzzzz", "한",
}

// keystrokes are what is in the field after each.
func keystrokes() []string {
	var filters []string
	for _, word := range typed {
		for i := range word {
			if i > 0 {
				filters = append(filters, word[:i])
			}
		}
		filters = append(filters, word)
	}
	return filters
}

// BenchmarkScreen reports how long the questions of a screen take, at two sizes:
// the first page of users, a keystroke in the filter, and the choice of a user.
// Tell it how many of each, such as -benchtime 1000x.
func BenchmarkScreen(b *testing.B) {
	for _, sessions := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			s := openBench(b, DefaultSchema)
			signIn(b, s, sessions)
			filters, users := keystrokes(), sessions/sessionsEach
			question(b, "page", func(ctx context.Context, _ int) error {
				_, err := s.Users(ctx, activesessions.UsersQuery{Tenant: "bakery", Now: time.Now(), CountAtMost: 1000})
				return err
			})
			question(b, "keystroke", func(ctx context.Context, i int) error {
				_, err := s.Users(ctx, activesessions.UsersQuery{
					Tenant: "bakery", Now: time.Now(), Filter: filters[i%len(filters)], CountAtMost: 1000,
				})
				return err
			})
			question(b, "selection", func(ctx context.Context, i int) error {
				user := fmt.Sprintf("user-%06d", i*7919%users)
				_, _, err := s.Sessions(ctx, activesessions.SessionsQuery{Tenant: "bakery", User: user, Now: time.Now()})
				return err
			})
		})
	}
}

func question(b *testing.B, name string, ask func(ctx context.Context, i int) error) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			took = append(took, timed(b, func() error { return ask(b.Context(), len(took)) }))
		}
		slices.Sort(took)
		for _, p := range []int{50, 99} {
			b.ReportMetric(took[len(took)*p/100].Seconds()*1e3, fmt.Sprintf("p%d-ms", p))
		}
	})
}

// signIn logs everybody in, in no order.
func signIn(b *testing.B, s *Store, sessions int) {
	b.Helper()
	now, order := time.Now(), rand.New(rand.NewPCG(3, 4)).Perm(sessions)
	at := eventlog.Position{Stream: events.StreamSessions}
	for chunk := range slices.Chunk(order, benchBatch) {
		batch := activesessions.Batch{From: at, To: at}
		for _, i := range chunk {
			fact := screenLogin(now, i/sessionsEach, i%sessionsEach)
			batch.To.Sequence++
			fact.Stream, fact.Sequence = at.Stream, batch.To.Sequence
			batch.Facts = append(batch.Facts, fact)
		}
		batch.Devices = benchDevices(batch.Facts[0])
		if _, err := s.Apply(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		at = batch.To
	}
}

// screenLogin is the nth login of a user, at some time of the last two days.
func screenLogin(now time.Time, user, n int) eventlog.Recorded {
	who, random := personOf(user), rand.New(rand.NewPCG(2, uint64(user*sessionsEach+n)))
	age := time.Duration(random.Int64N(int64(48 * time.Hour)))
	if who.asleep {
		age += 48 * time.Hour
	}
	at := events.TimestampOf(now.Add(-age))
	key := events.Key{Tenant: "bakery", User: fmt.Sprintf("user-%06d", user), Session: fmt.Sprintf("0f8fad5b-%04d-469f-a165-%012d", n, user)}
	return eventlog.Recorded{Time: now, Envelope: events.Envelope{ID: "login-" + key.Session, Time: at.Time(), Event: events.LoggedIn{
		Key: key, EventTimestamp: at, Created: at, Expires: at + 30*24*3600_000, Platform: "ios", AppVersion: "1.8.1", Build: "231",
		Personal: events.LoginPersonal{
			Username: who.username, DisplayName: who.displayName, DeviceLabel: "Front counter",
			UserAgent: "WCPOS/1.8.1 (ios; build 231)", IP: fmt.Sprintf("192.0.2.%d", user%250),
		},
	}}}
}

type person struct {
	username, displayName string
	asleep                bool
}

func personOf(user int) person {
	random := rand.New(rand.NewPCG(1, uint64(user)))
	pick := func(names []string) string { // the first are the most common
		x := random.Float64()
		return names[int(x*x*float64(len(names)))]
	}
	switch kind := random.IntN(100); {
	case kind < 5:
		name := pick(asleepNames)
		return person{fmt.Sprint(name, user), name, true}
	case kind < 15:
		return person{fmt.Sprintf("till-%d", user), fmt.Sprintf("Till %d, branch #%d", user, user%700), false}
	default:
		given, family := pick(givenNames), pick(familyNames)
		return person{strings.ToLower(given+"."+family) + strconv.Itoa(random.IntN(1000)), given + " " + family, false}
	}
}
