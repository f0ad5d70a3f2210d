package screen_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/fleet"
)

// report says of how many gateways that many have confirmed; the others are
// called "till" and a number.
func (g *gateways) reports(total, confirmed int, slowest time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.report = fleet.Report{Total: total, Slowest: slowest}
	for i := range total {
		name := fmt.Sprint("till ", i)
		if i < confirmed {
			g.report.Confirmed = append(g.report.Confirmed, fleet.Confirmation{Gateway: name, Name: name})
		} else {
			g.report.Missing = append(g.report.Missing, fleet.Missing{Gateway: "gw-" + strconv.Itoa(i), Name: name})
		}
	}
}

// ended ends a session of carl's and returns what is said about it.
func (r *rig) ended() *node {
	r.Helper()
	return r.postInDialog("anna", form("user", "carl", "session", "carl-1")).want(http.StatusOK).one("#outcome")
}

func TestTheOutcomeCountsGateways(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, test := range []struct {
		total, confirmed int
		slowest          time.Duration
		want             string
	}{
		{8, 8, 12 * time.Millisecond, "8 of 8 gateways refuse it, slowest 12 ms."},
		{8, 8, 800 * time.Microsecond, "8 of 8 gateways refuse it, slowest 0.8 ms."},
		{2, 2, 1200 * time.Millisecond, "2 of 2 gateways refuse it, slowest 1,200 ms."},
		{1, 1, 12 * time.Millisecond, "1 of 1 gateway refuses it, slowest 12 ms."},
		{8, 8, 0, "8 of 8 gateways refuse it."},
		{0, 0, 0, "No gateway has reported to posse, so nothing confirms that requests are refused."},
	} {
		r.fleet.reports(test.total, test.confirmed, test.slowest)
		outcome := r.ended()
		contains(t, "outcome", outcome.one("p").says(), test.want)
		if outcome.count("[hx-get]") != 0 || outcome.count(".complete") != 1 {
			t.Errorf("%d of %d: looks again", test.confirmed, test.total)
		}
	}
	if r.fleet.tenant != "shop" || r.fleet.position != 6 {
		t.Errorf("the gateways of %q were asked for %d", r.fleet.tenant, r.fleet.position)
	}
}

func TestTheOutcomeNamesWhoIsMissing(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.fleet.reports(8, 6, 12*time.Millisecond)
	r.fleet.known = []fleet.Gateway{
		{GatewayStatus: events.GatewayStatus{Gateway: "gw-6", Name: "till 6"}, Seen: afternoon.Add(-time.Hour), Silent: true},
		{GatewayStatus: events.GatewayStatus{Gateway: "gw-7", Name: "till 7", Stale: true}, Seen: afternoon},
	}
	outcome := r.ended()
	contains(t, "outcome", outcome.says(), "1 session ended. 6 of 8 gateways refuse it so far.")
	contains(t, "missing", outcome.says(), "Waiting for: till 6 (silent since 2026-11-20 13:05 UTC), till 7 (hears nothing of revocations)")
	next := outcome.one("#outcome-body")
	address, err := url.Parse(next.attr["hx-get"])
	if err != nil || address.Path != "/outcome" || address.Query().Get("position") != "6" || address.Query().Get("ended") != "1" ||
		address.Query().Get("began") != strconv.FormatInt(afternoon.UnixMilli(), 10) || !address.Query().Has("refresh") {
		t.Errorf("it looks again at %s, %v", address, err)
	}
	same(t, "target", next.attr["hx-target"], "#outcome-body")

	r.clock.forward(10 * time.Second)
	r.fleet.reports(8, 8, 100*time.Millisecond)
	later := r.pane("anna", "div#outcome-body", address.String()).want(http.StatusOK)
	contains(t, "later", later.says(), "1 session ended. 8 of 8 gateways refuse it, slowest 10,100 ms.")
	if later.count("[hx-get]") != 0 {
		t.Error("it looks on when all have confirmed")
	}
}

func TestWhoSeesOnlyThemselvesHearsHowManyGateways(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.fleet.reports(8, 6, 12*time.Millisecond)
	r.fleet.known = []fleet.Gateway{{GatewayStatus: events.GatewayStatus{Gateway: "gw-6", Name: "till 6"}, Seen: afternoon, Silent: true}}
	own := r.postInDialog("carl", form("user", "carl", "session", "carl-2")).want(http.StatusOK).one("#outcome")
	again := r.pane("carl", "div#outcome-body", "/outcome?position=1").want(http.StatusOK).one("#outcome-body")
	for _, outcome := range []*node{own, again} {
		contains(t, "outcome", outcome.says(), "6 of 8 gateways refuse it so far.")
		if says := outcome.says(); strings.Contains(says, "till") || strings.Contains(says, "silent") {
			t.Errorf("a user reads of gateways: %s", says)
		}
	}
	contains(t, "an auditor's", r.pane("otto", "div#outcome-body", "/outcome?position=1").want(http.StatusOK).says(), "till 6 (silent since")
}

func TestAGatewayWithoutANameIsNamedByItsID(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.fleet.report = fleet.Report{Total: 1, Missing: []fleet.Missing{{Gateway: "01-abc"}}}
	contains(t, "missing", r.ended().says(), "Waiting for: 01-abc")
}

func TestLookingAtGatewaysEndsAfterAMinute(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.fleet.reports(2, 1, 0)
	again := r.ended().one("#outcome-body").attr["hx-get"]
	if r.fleet.within <= 0 || r.fleet.within > 2*time.Second {
		t.Errorf("the answer to an end waits %v for the gateways", r.fleet.within)
	}
	r.clock.forward(59 * time.Second)
	page := r.pane("anna", "div#outcome-body", again).want(http.StatusOK)
	same(t, "goes on with the same", page.one("#outcome-body").attr["hx-get"], again)
	if r.fleet.within <= 2*time.Second || r.fleet.within > 10*time.Second {
		t.Errorf("a later look waits %v", r.fleet.within)
	}
	r.clock.forward(time.Second)
	page = r.pane("anna", "div#outcome-body", again).want(http.StatusOK)
	if page.count("[hx-get]") != 0 || r.fleet.within != 0 {
		t.Errorf("after a minute it looks on, and waits %v", r.fleet.within)
	}
	contains(t, "outcome", page.says(), "1 of 2 gateways refuse it so far.")
	contains(t, "missing", page.says(), "Not confirmed by: till 1")
}

func TestNothingWasLeftToEnd(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.record(events.StreamSessions, r.revoked("carl", "carl-1", 0))
	r.fleet.reports(1, 1, 0)
	contains(t, "outcome", r.ended().says(), "Nothing was left to end.")
}

func TestAnOutcomeThatIsNoneIsTheScreen(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, query := range []string{"", "?position=0", "?position=-1", "?position=x", "?position=99999999999999999999"} {
		a := r.pane("anna", "div#outcome-body", "/outcome"+query)
		if a.Code != http.StatusSeeOther || a.Header().Get("Location") != "/" {
			t.Errorf("%s is answered %d", query, a.Code)
		}
	}
	if a := r.get("anna", "/outcome?position=1&ended=1"); a.Code != http.StatusSeeOther {
		t.Errorf("as a page it is answered %d", a.Code)
	}
}

func TestHostileOutcomesAreHarmless(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.fleet.reports(1, 0, 0)
	for _, query := range []string{
		"position=1&ended=-5", "position=1&ended=x&began=x", "position=1&began=9999999999999999999", "position=1&began=-9223372036854775808",
		"position=18446744073709551615&began=253402300800000&ended=999999999999999999999",
	} {
		page := r.pane("anna", "div#outcome-body", "/outcome?"+query).want(http.StatusOK)
		if strings.Contains(page.says(), "-") {
			t.Errorf("%s says %s", query, page.says())
		}
	}
}

func TestTheOutcomeOfAnotherTenantIsNotShown(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.pane("zoe", "div#outcome-body", "/outcome?position=1").want(http.StatusOK)
	same(t, "tenant", r.fleet.tenant, "other")
}

func TestLinksDoNotTellTheOutcomeAgain(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.fleet.reports(2, 2, time.Millisecond)
	a := r.post("anna", form("user", "carl", "session", "carl-1"))
	page := r.get("anna", a.Header().Get("Location")).want(http.StatusOK)
	for _, link := range page.values("main a", "href") {
		if strings.Contains(link, "position=") {
			t.Errorf("the link %s tells of the outcome again", link)
		}
	}
}
