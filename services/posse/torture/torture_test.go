package torture_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/services/posse/torture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// played are runs that break much in a short time.
var played = []struct {
	seed    uint64
	servers int
}{{189, 1}, {364, 3}}

const each = 25 * time.Second

// TestTorture plays a few seeds; make torture plays new ones for longer.
func TestTorture(t *testing.T) { //nolint:paralleltest // promises are about time, so the runs do not share the machine
	programs, err := torture.Build(t.Context(), t.TempDir(), torture.Source{})
	if err != nil {
		t.Fatal(err)
	}
	late := 0 // looks at what may be late; a machine that stands still spoils them
	for _, run := range played {
		dir, err := torture.MakeDir("")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		if err := torture.Run(t.Context(), torture.Config{
			Seed: run.seed, Servers: run.servers, Duration: each, Dir: dir, Programs: programs, Log: t.Output(),
		}); err != nil {
			t.Fatalf("seed %d: %v", run.seed, err)
		}
		if err := torture.Report(t.Output(), dir); err != nil {
			t.Errorf("go run ./services/posse/torture/play -clocks=false -servers %d -seed %d -each %s: %v", run.servers, run.seed, each, err)
		}
		if _, looked, err := torture.Check(dir); err != nil || looked["refused"] == 0 || looked["position"] == 0 || looked["logout_all"] == 0 ||
			looked["model"] == 0 || looked["applied"] == 0 || looked["repeated"] == 0 || looked["paging"] == 0 {
			t.Errorf("seed %d: there was nothing to look at: %v, %v", run.seed, looked, err)
		} else {
			late += looked["lag"]
		}
	}
	if late == 0 {
		t.Error("there was no time in which nothing happened but poison")
	}
}

func TestAPlanIsItsSeeds(t *testing.T) {
	t.Parallel()
	targets := torture.Targets{
		Processes: []string{"a", "b"}, Lines: []string{"a to b"}, Roles: []string{"a"},
		Disks: []string{"a"}, Servers: []string{"b"}, Streams: []string{"s"},
	}
	said := func(seed uint64) string {
		var all strings.Builder
		for _, step := range torture.Plan(seed, 10*time.Minute, targets) {
			all.WriteString(step.String() + "\n")
		}
		return all.String()
	}
	if again := said(7); again != said(7) || again == said(8) {
		t.Errorf("plans of the same seed differ, or of different seeds are the same:\n%s", again)
	}
	for _, action := range []torture.Action{
		torture.Kill, torture.Pause, torture.Cut, torture.Freeze, torture.HalfOpen, torture.Slow,
		torture.Disorder, torture.Poison, torture.Trim, torture.Recreate, torture.Leader, torture.Lose, torture.Fill,
	} {
		if !strings.Contains(said(7), " "+string(action)+" ") {
			t.Errorf("ten minutes have no %s", action)
		}
	}
}

// TestCheckFindsWhatIsWrong changes a good history in one place, in each way that a
// promise can be broken, and looks for that promise's name.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	if findings, _, err := torture.Check(written(t, nil)); err != nil || len(findings) != 0 {
		t.Fatalf("the good history: %v, %+v", err, findings)
	}
	for name, c := range map[string]struct {
		file, old, new string
		broken         string
	}{
		"an acknowledged login is not there":       {"log.ndjson", line(2), "", "log"},
		"a fact is there twice":                    {"log.ndjson", line(2), line(2) + strings.Replace(line(2), `"sequence":2`, `"sequence":20`, 1), "log"},
		"an acknowledged end is not there":         {"log.ndjson", line(4), "", "log"},
		"nobody tried this login":                  {"operations.ndjson", login("s-1"), "", "log"},
		"a session is refreshed after its end":     {"log.ndjson", line(4), line(4) + `{"sequence":5,"id":"r","type":"session.refreshed.v1","event":{"tenant":"shop","user":"u-1","session":"s-1"}}` + "\n", "log"},
		"a request is admitted late":               {"operations.ndjson", request("s-1", 5, "refused"), request("s-1", 5, "ok"), "refused"},
		"what was refused is admitted":             {"operations.ndjson", request("s-1", 7, "refused"), request("s-1", 7, "ok"), "terminal"},
		"a list shows what has ended":              {"operations.ndjson", list(`["s-2"]`, 4), list(`["s-1","s-2"]`, 4), "terminal"},
		"a list does not show what is active":      {"operations.ndjson", list(`["s-1","s-2"]`, 3), list(`["s-2"]`, 3), "position"},
		"a position goes back":                     {"operations.ndjson", list(`["s-2"]`, 4), strings.Replace(list(`["s-1"]`, 2), `"start":2`, `"start":4`, 1), "position"},
		"the model shows an end too few":           {"model.ndjson", `"state":"ended","session":{"session":"s-1","ended":{"cause":"terminate","position":4}}`, `"state":"active","session":{"session":"s-1"}`, "model"},
		"two query processes differ":               {"model.ndjson", `"query":"query-2","tenant":"shop","state":"active","session":{"session":"s-2"}`, `"query":"query-2","tenant":"shop","state":"active","session":{"session":"s-2","last_active":"x"}`, "model"},
		"a gateway admits it in the end":           {"operations.ndjson", last("s-1", "refused"), last("s-1", "ok"), "gateways"},
		"a gateway refuses it in the end":          {"operations.ndjson", last("s-2", "ok"), last("s-2", "refused"), "gateways"},
		"a Logout All leaves one":                  {"log.ndjson", `"cause":"terminate"`, `"cause":"logout_all"`, "logout_all"},
		"Logout Other Devices leaves none":         {"log.ndjson", line(2) + line(3) + line(4), line(2) + strings.ReplaceAll(line(4), "terminate", "logout_others") + strings.Replace(line(3), `"sequence":3`, `"sequence":5`, 1), "logout_others"},
		"a refresh token redeems twice":            {"operations.ndjson", login("s-2"), login("s-2") + redeem("ok") + redeem("ok"), "refresh"},
		"a token that was reused ends nothing":     {"operations.ndjson", login("s-2"), login("s-2") + strings.Replace(redeem("refused"), `"refresh"`, `"reuse"`, 1), "refresh"},
		"somebody ends another tenant's session":   {"operations.ndjson", `"kind":"trespass","tenant":"elsewhere","session":"s-2","start":1,"end":2,"outcome":"refused"`, `"kind":"trespass","tenant":"elsewhere","session":"s-2","start":1,"end":2,"outcome":"ok"`, "tenants"},
		"two replays differ":                       {"log-again.ndjson", line(2), "", "replay"},
		"a log is not what was signed":             {"verified.ndjson", `"auditor":"auditor-1"`, `"auditor":"auditor-1","differs":"exit status 1"`, "replay"},
		"a log says a name":                        {"written/a.log", "all is well", "hello Canary", "secrets"},
		"a log holds a token":                      {"written/a.log", "all is well", "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm5hIn0", "secrets"},
		"a fold says something else":               {"model-fold.ndjson", `"session":"s-2","ip":"203.0.113.8"`, `"session":"s-2","ip":""`, "model"},
		"a rebuild leaves a session out":           {"model-rebuilt.ndjson", row("s-2"), "", "model"},
		"a rebuild has another order":              {"model-rebuilt.ndjson", row("s-1") + row("s-2"), row("s-2") + row("s-1"), "model"},
		"a list does not know what happened":       {"model.ndjson", `"query":"query-2","tenant":"shop","state":"ended","session":{"session":"s-1"`, `"query":"query-2","tenant":"shop","state":"active","session":{"session":"s-1"`, "unknown"},
		"a gateway does not know what happened":    {"operations.ndjson", last("s-1", "refused"), last("s-1", "ok"), "unknown"},
		"what did not happen is shown":             {"model.ndjson", `{"query":"query-1","tenant":"shop","state":"active","session":{"session":"s-2"}}`, `{"query":"query-1","tenant":"shop","state":"active","session":{"session":"s-3"}}`, "unknown"},
		"a gateway goes back":                      {"operations.ndjson", status(6, 4), status(6, 3), "applied"},
		"a gateway is ahead of the log":            {"operations.ndjson", status(6, 4), status(6, 5), "applied"},
		"a gateway admits what it says it knows":   {"operations.ndjson", request("s-1", 5, "refused"), request("s-1", 5, "ok"), "applied"},
		"a gateway does not know it is behind":     {"operations.ndjson", status(6, 4), strings.Replace(status(6, 3), `"fresh"`, `"last":true,"fresh"`, 1), "applied"},
		"a login is answered otherwise":            {"operations.ndjson", again("login", "s-2", 2), strings.Replace(again("login", "s-2", 2), "as it was", "otherwise", 1), "repeated"},
		"a login is refused when repeated":         {"operations.ndjson", again("login", "s-2", 2), strings.Replace(again("login", "s-2", 2), `"ok"`, `"refused","status":409`, 1), "repeated"},
		"an end is answered otherwise":             {"operations.ndjson", again("terminate", "s-1", 6), strings.Replace(again("terminate", "s-1", 6), "as it was", "otherwise", 1), "repeated"},
		"an end ends more when repeated":           {"log.ndjson", line(4), line(4) + strings.NewReplacer("s-1", "s-2", `:4`, `:5`, `"d"`, `"e"`).Replace(line(4)), "repeated"},
		"a reused token's session goes on":         {"operations.ndjson", request("s-1", 7, "refused"), operation("reuse", "s-1", 4, `"outcome":"refused","status":400,"redeemed":"t"`) + request("s-1", 7, "ok"), "refresh"},
		"nobody of the tenant asked for an end":    {"log.ndjson", line(4), line(4) + strings.NewReplacer("s-1", "s-2", `:4`, `:5`, `"d"`, `"e"`, `"x"`, `"y"`).Replace(line(4)), "tenants"},
		"nobody of the tenant asked for a login":   {"operations.ndjson", login("s-1"), strings.Replace(login("s-1"), `"shop"`, `"elsewhere"`, 1), "tenants"},
		"a Logout All forgets a session":           {"operations.ndjson", list(`["s-2"]`, 4), list(`["s-2"]`, 4) + operation("logout_all", "", 4, `"outcome":"ok","position":4`), "logout_all"},
		"who was logged out is admitted":           {"operations.ndjson", request("s-1", 7, "refused"), operation("logout_all", "", 4, `"outcome":"ok","position":2`) + request("s-1", 7, "ok"), "logout_all"},
		"other devices are admitted":               {"operations.ndjson", request("s-1", 7, "refused"), operation("logout_others", "s-2", 4, `"outcome":"ok","position":4`) + request("s-1", 7, "ok"), "logout_others"},
		"a list is late while there is poison":     {"operations.ndjson", list(`["s-2"]`, 4), strings.Replace(list(`["s-1","s-2"]`, 3), `"start":3`, `"start":8`, 1), "lag"},
		"a gateway is late while there is poison":  {"operations.ndjson", request("s-1", 7, "refused"), request("s-1", 7, "ok"), "lag"},
		"a position is late while there is poison": {"operations.ndjson", status(8, 4), status(8, 3), "lag"},
		"a gateway is well too late":               {"mended.ndjson", `"after":1000000`, `"after":9000000000`, "mended"},
		"a session is refused before its end":      {"operations.ndjson", request("s-1", 2, "ok"), request("s-1", 2, "refused"), "valid"},
		"a user is on two pages":                   {"operations.ndjson", `"users":{"u-1":2}`, `"users":{"u-1":2,"admin":1}`, "paging"},
		"a user is on a page twice":                {"operations.ndjson", `"users":{"u-1":2}`, `"users":{"u-1":2},"twice":["u-1"]`, "paging"},
		"a user is on no page":                     {"operations.ndjson", `"users":{"u-1":2}`, `"users":{}`, "paging"},
		"a page miscounts":                         {"operations.ndjson", `"users":{"u-1":2}`, `"users":{"u-1":1}`, "paging"},
		"a page goes back":                         {"operations.ndjson", pages(3, 3), pages(3, 2), "paging"},
		"a gateway is not well again":              {"mended.ndjson", `"after":1000000`, `"after":-1`, "mended"},
		"a valid session is refused":               {"operations.ndjson", request("s-2", 5, "ok"), request("s-2", 5, "refused"), "valid"},
		"a valid session is not answered":          {"operations.ndjson", request("s-2", 5, "ok"), request("s-2", 5, "unknown"), "valid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := written(t, func(files map[string]string) {
				if !strings.Contains(files[c.file], c.old) {
					t.Fatalf("%s does not hold %s", c.file, c.old)
				}
				files[c.file] = strings.Replace(files[c.file], c.old, c.new, 1)
			})
			findings, _, err := torture.Check(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range findings {
				if found.Promise == c.broken {
					return
				}
			}
			t.Errorf("found %+v, want one of %q", findings, c.broken)
		})
	}
}

// TestAStallGivesTime is about a machine that stood still: what was late until then is not
// posse's doing.
func TestAStallGivesTime(t *testing.T) {
	t.Parallel()
	dir := written(t, func(files map[string]string) {
		files["faults.ndjson"] = `{"action":"stall","target":"the machine","begin":2000000000,"end":8000000000}` + "\n"
		files["mended.ndjson"] = `{"part":"gateway-1","after":9000000000}` + "\n"
	})
	if findings, _, err := torture.Check(dir); err != nil || len(findings) != 0 {
		t.Errorf("%v, %+v", err, findings)
	}
}

// TestAFindingIsToldShortly plants one wrong answer in a long history: what is told of it is
// what it takes to find it.
func TestAFindingIsToldShortly(t *testing.T) {
	t.Parallel()
	const others = 300
	dir := written(t, func(files map[string]string) {
		var busy strings.Builder
		for i := range others {
			busy.WriteString(list(`["s-1","s-2"]`, 3) + request("s-2", 5, "ok") + request("s-1", 6+i%2, "refused"))
		}
		files["operations.ndjson"] += busy.String() + strings.Replace(request("s-1", 7, "ok"), `"via":"v"`, `"via":"w"`, 1)
	})
	var said strings.Builder
	if err := torture.Report(&said, dir); err == nil {
		t.Fatalf("nothing was found:\n%s", &said)
	}
	_, told, _ := strings.Cut(said.String(), "\nrefused: ")
	told, _, _ = strings.Cut(told, "\n\n")
	if calls := strings.Count(told, " via "); calls != 2 {
		t.Errorf("it is told with %d calls, want the end and the request:\n%s", calls, told)
	}
	for _, want := range []string{"via w ", "terminate", "session.revoked.v1"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not told:\n%s", want, told)
		}
	}
}

// line is a line of the good history's log.
func line(sequence int) string {
	return map[int]string{
		1: `{"sequence":1,"id":"a","type":"session.logged_in.v1","event":{"tenant":"shop","user":"admin","session":"admin"}}`,
		2: `{"sequence":2,"id":"b","type":"session.logged_in.v1","event":{"tenant":"shop","user":"u-1","session":"s-1"}}`,
		3: `{"sequence":3,"id":"c","type":"session.logged_in.v1","event":{"tenant":"shop","user":"u-1","session":"s-2"}}`,
		4: `{"sequence":4,"id":"d","type":"session.revoked.v1","event":{"tenant":"shop","user":"u-1","session":"s-1","cause":"terminate","command_id":"x"}}`,
	}[sequence] + "\n"
}

// row is a line of the good history's dumps.
func row(session string) string {
	return fmt.Sprintf(`{"tenant":"shop","user":"u-1","session":%q,"ip":"203.0.113.8"}`+"\n", session)
}

func operation(kind, session string, seconds int, more string) string {
	start := time.Duration(seconds) * time.Second
	return fmt.Sprintf(`{"kind":%q,"client":"c","via":"v","tenant":"shop","user":"u-1","session":%q,"start":%d,"end":%d,%s}`+"\n",
		kind, session, start, start+time.Millisecond, more)
}

func login(session string) string {
	return strings.Replace(again("login", session, 1), `"sessions":["s-1"],"position":4`, `"position":2`, 1)
}

func terminate() string {
	return operation("terminate", "s-1", 3, `"outcome":"ok","sessions":["s-1"],"command":"s-1","said":"as it was","position":4`)
}

// again is a command that is given for a second time.
func again(kind, session string, seconds int) string {
	position := map[string]string{"s-1": `"sessions":["s-1"],"position":4`, "s-2": `"position":3`}[session]
	return operation(kind, session, seconds, fmt.Sprintf(`"outcome":"ok","command":%q,"said":"as it was",%s`, session, position))
}

func unknown(kind, session string, seconds int) string {
	return operation(kind, session, seconds, `"outcome":"unknown"`)
}

func status(seconds, position int) string {
	return operation("status", "", seconds, fmt.Sprintf(`"fresh":true,"outcome":"ok","process":"p","position":%d`, position))
}

// pages is a list of users, each on a page of their own.
func pages(first, second int) string {
	return operation("users", "", 3, fmt.Sprintf(
		`"outcome":"ok","pages":[{"via":"v","position":%d,"users":{"u-1":2}},{"via":"v","position":%d,"users":{"admin":1}}]`, first, second))
}

func redeem(outcome string) string {
	return operation("refresh", "s-2", 3, fmt.Sprintf(`"outcome":%q,"redeemed":"t"`, outcome))
}

func request(session string, seconds int, outcome string) string {
	return operation("request", session, seconds, answered(outcome))
}

func last(session, outcome string) string {
	return operation("request", session, 9, answered(outcome)+`,"last":true`)
}

func answered(outcome string) string {
	return map[string]string{
		"ok": `"outcome":"ok"`, "unknown": `"outcome":"unknown","status":503`,
		"refused": `"outcome":"refused","status":401,"reason":"session_revoked"`,
	}[outcome]
}

func list(sessions string, position int) string {
	return operation("list", "", position, fmt.Sprintf(`"outcome":"ok","sessions":%s,"position":%d`, sessions, position))
}

// written writes the good history down, changed, and returns where.
func written(t *testing.T, change func(files map[string]string)) string {
	t.Helper()
	log := line(1) + line(2) + line(3) + line(4)
	shown := func(query string) string {
		return fmt.Sprintf(`{"query":%[1]q,"tenant":"shop","state":"active","session":{"session":"s-2"}}
{"query":%[1]q,"tenant":"shop","state":"ended","session":{"session":"s-1","ended":{"cause":"terminate","position":4}}}
`, query)
	}
	files := map[string]string{
		"run.json": `{"seed":1,"canary":"Canary","well":2000000000}`,
		"operations.ndjson": login("s-1") + login("s-2") + again("login", "s-2", 2) + unknown("login", "s-3", 2) +
			request("s-1", 2, "ok") + list(`["s-1","s-2"]`, 3) + pages(3, 3) +
			terminate() + unknown("terminate", "s-1", 4) + list(`["s-2"]`, 4) + status(4, 4) +
			request("s-1", 5, "refused") + request("s-2", 5, "ok") + status(6, 4) + again("terminate", "s-1", 6) +
			request("s-1", 7, "refused") + status(8, 4) +
			`{"kind":"trespass","tenant":"elsewhere","session":"s-2","start":1,"end":2,"outcome":"refused"}` + "\n" +
			last("s-1", "refused") + last("s-2", "ok"),
		"faults.ndjson":    "",
		"log.ndjson":       log,
		"log-again.ndjson": log,
		"model.ndjson":     shown("query-1") + shown("query-2"),

		"model-live.ndjson": row("s-1") + row("s-2"), "model-fold.ndjson": row("s-1") + row("s-2"), "model-rebuilt.ndjson": row("s-1") + row("s-2"),

		"verified.ndjson":  `{"auditor":"auditor-1","said":"all is well"}` + "\n",
		"mended.ndjson":    `{"part":"gateway-1","after":1000000}` + "\n",
		"written/a.log":    "all is well",
		"written/database": "here it may say Canary",
	}
	if change != nil {
		change(files)
	}
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
