package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/eventlogtest"
	"github.com/posse-pos/posse/services/auditor/replay"
)

// sequences reads the sequences from NDJSON.
func sequences(t *testing.T, text string) []uint64 {
	t.Helper()
	var all []uint64
	for line := range strings.Lines(text) {
		var fact struct {
			Sequence uint64 `json:"sequence"`
		}
		if err := json.Unmarshal([]byte(line), &fact); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, fact.Sequence)
	}
	return all
}

func TestSameBytesTwice(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.history(200) // more than a page
	query := replay.Query{Tenant: "shop"}
	once, again := r.replay(query, replay.NDJSON{}), r.replay(query, replay.NDJSON{})
	if once != again {
		t.Fatal("two replays differ")
	}
	if got := sequences(t, once); len(got) != 1000 || !slices.IsSorted(got) {
		t.Fatalf("got %d facts in order %v", len(got), slices.IsSorted(got))
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.history(2)
	facts := eventlogtest.Selected(t, r.log, eventlog.Selection{Limit: 100})
	stored := func(sequence uint64) time.Time { return facts[sequence-1].Time }
	for name, c := range map[string]struct {
		query replay.Query
		want  []uint64
	}{
		"everything":          {replay.Query{}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		"tenant":              {replay.Query{Tenant: "other"}, []uint64{3, 9}},
		"user":                {replay.Query{User: "ann"}, []uint64{1, 3, 4, 5, 7, 9, 10, 11}},
		"tenant and user":     {replay.Query{Tenant: "shop", User: "bob"}, []uint64{2, 6, 8, 12}},
		"session":             {replay.Query{Session: "s-1", User: "bob"}, []uint64{8, 12}},
		"types":               {replay.Query{Types: []events.Type{events.TypeRefreshed, events.TypeRevoked}, Tenant: "shop", User: "ann"}, []uint64{4, 5, 10, 11}},
		"cause":               {replay.Query{Cause: events.CauseIdle}, []uint64{6, 12}},
		"actor":               {replay.Query{Actor: "admin"}, []uint64{5, 11}},
		"from":                {replay.Query{From: 11}, []uint64{11, 12}},
		"limit":               {replay.Query{Tenant: "shop", Limit: 3}, []uint64{1, 2, 4}},
		"since":               {replay.Query{Since: stored(10)}, []uint64{10, 11, 12}},
		"until":               {replay.Query{Until: stored(3)}, []uint64{1, 2}},
		"since and until":     {replay.Query{Since: stored(4), Until: stored(6)}, []uint64{4, 5}},
		"the later of two":    {replay.Query{Since: stored(4), From: 11}, []uint64{11, 12}},
		"before the log":      {replay.Query{Until: stored(1)}, nil},
		"after the log":       {replay.Query{Since: stored(12).Add(time.Hour)}, nil},
		"until in the future": {replay.Query{From: 12, Until: stored(12).Add(time.Hour)}, []uint64{12}},
		"nobody":              {replay.Query{Tenant: "nobody"}, nil},
	} {
		if got := sequences(t, r.replay(c.query, replay.NDJSON{})); !slices.Equal(got, c.want) {
			t.Errorf("%s: facts %v, want %v", name, got, c.want)
		}
	}
}

func TestInvalidQueries(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.history(1)
	for name, query := range map[string]replay.Query{
		"follow to an end":   {Follow: true, Until: moment},
		"nothing in between": {Since: moment, Until: moment},
		"no such id":         {User: strings.Repeat("x", 200)},
		"no such session":    {Session: "\xff"},
		"too many types":     {Types: make([]events.Type, 17)},
		"past the end":       {From: 1000},
	} {
		_, err := replay.Run(r.ctx, replay.Config{Log: r.log, Query: query, Sink: replay.NewLines(replay.NDJSON{}, io.Discard)})
		if !errors.Is(err, replay.ErrInvalidQuery) {
			t.Errorf("%s: %v, want ErrInvalidQuery", name, err)
		}
	}
}

// TestWhatIsNoEvent: an auditor sees that a message is there, too.
func TestWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for _, data := range []string{"\xff\x00", `{"a": [1,` + "\n" + `2]}`} {
		r.inject("pos.v1.session.shop.ann", data)
	}
	r.inject("pos.v1.session.stray", "{}")
	r.append(login("shop", "bob", "s"))
	lines := strings.Split(r.replay(replay.Query{}, replay.NDJSON{}), "\n")
	for i, want := range []string{
		`"subject":"pos.v1.session.shop.ann","data_base64":"/wA="}`,
		`"subject":"pos.v1.session.shop.ann","event":{"a":[1,2]}}`,
		`"subject":"pos.v1.session.stray","event":{}}`,
		`"type":"session.logged_in.v1"`,
	} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d has no %s:\n%s", i, want, lines[i])
		}
	}
}

// TestEndIsTheOneAtTheStart appends while it reads.
func TestEndIsTheOneAtTheStart(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.history(2)
	var out strings.Builder
	appending := encoderFunc(func(line []byte, fact eventlog.Recorded) ([]byte, error) {
		r.append(login("shop", "late", "s"))
		return replay.NDJSON{}.Append(line, fact)
	})
	if _, err := replay.Run(r.ctx, replay.Config{Log: r.log, Sink: replay.NewLines(appending, &out)}); err != nil {
		t.Fatal(err)
	}
	if got := sequences(t, out.String()); len(got) != 12 {
		t.Fatalf("a log of 12 gave %v", got)
	}
}

type encoderFunc func([]byte, eventlog.Recorded) ([]byte, error)

func (encoderFunc) Header() string { return "" }

func (f encoderFunc) Append(line []byte, fact eventlog.Recorded) ([]byte, error) {
	return f(line, fact)
}

// TestFollow hears of what is stored later, through a restart of the server, and
// ends without an error.
func TestFollow(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.history(1)
	ctx, cancel := context.WithCancel(r.ctx)
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := replay.Run(ctx, replay.Config{
			Log: r.log, Query: replay.Query{Tenant: "shop", Follow: true}, Sink: replay.NewLines(replay.NDJSON{}, writer),
		})
		ended <- errors.Join(err, writer.Close())
	}()
	decoder := json.NewDecoder(reader)
	next := func(want uint64) {
		t.Helper()
		var fact struct {
			Sequence uint64 `json:"sequence"`
		}
		if err := decoder.Decode(&fact); err != nil || fact.Sequence != want {
			t.Fatalf("heard of %d, %v; want %d", fact.Sequence, err, want)
		}
	}
	for _, want := range []uint64{1, 2, 4, 5, 6} {
		next(want)
	}
	next(r.append(login("shop", "cid", "1")))
	r.append(login("other", "cid", "1"))
	r.server.Restart()
	next(r.append(login("shop", "cid", "2")))
	cancel()
	if err := <-ended; err != nil {
		t.Fatalf("a follower that was ended: %v", err)
	}
}

func TestNDJSONIsAsTheSchemasSay(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.append(revocation("shop", "ann", "s", events.CauseTerminate, "admin"))
	facts, err := r.log.User(r.ctx, "shop", "ann", 0)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"sequence":1,"stored":"` + facts[0].Time.Format(time.RFC3339Nano) + `","id":"fact-1","type":"session.revoked.v1",` +
		`"source":"/posse/test","time":"2026-03-14T09:26:53.589Z","event":{"tenant":"shop","user":"ann","session":"s",` +
		`"event_timestamp":1773480413.589,"cause":"terminate","initiating_entity":"admin","actor":{"user":"admin"},` +
		`"expires":1773484013.589,"command_id":"c-s","personal":{"actor_ip":"192.0.2.1","reason_admin":"lost tablet"}}}` + "\n"
	if got := r.replay(replay.Query{}, replay.NDJSON{}); got != want {
		t.Fatalf("got\n%swant\n%s", got, want)
	}
}
