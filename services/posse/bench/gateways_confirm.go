package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/services/projector/relay"
)

// The working day of a chain with ten thousand tills, for which the cost of
// confirmation is stated.
const (
	dayLasts   = 10 * time.Hour
	dayEnds    = 20_000 // sessions: each till is signed out at noon and in the evening
	dayAwaited = 100    // of them an administrator ends, and sees who refuses them
)

const (
	fleetTouches = 1000            // a second
	fleetEnds    = 4               // a second
	fleetWaits   = 6 * time.Second // from one to the next, so that each calls the roll
	fleetTurns   = 4               // of ends, with as long a pause before each
	fleetHurry   = 60              // how much more often than in life gateways report by themselves
	fleetStopped = 3               // gateways that do not confirm
	fleetNaming  = 5 * time.Second // in which the others have
)

// confirmationCosts compares what it takes to know which gateways refuse an ended
// session with touches, and prints both.
func (r *run) confirmationCosts(ctx context.Context) error {
	rig, err := newBusRig(ctx, r.Dir)
	if err != nil {
		return err
	}
	defer rig.close()
	touches, err := r.touchCost(ctx, rig)
	if err != nil {
		return err
	}
	c := &confirming{run: r, rig: rig}
	if err := c.measure(ctx); err != nil {
		return err
	}
	day := func(cost time.Duration, times int) float64 {
		return cost.Seconds() * float64(times) / dayLasts.Seconds()
	}
	ends, waits := day(c.end, dayEnds), day(c.wait, dayAwaited)
	r.row("reports of each gateway of an end, nobody waiting", decimals(c.reports, 2), "")
	r.row("CPU of the reports of an end, nobody waiting", short(c.end), "")
	r.row("CPU of the reports of an end that is waited for", short(c.wait), "")
	r.row("cores for reports unasked", decimals(c.unasked, 5), "")
	r.row(fmt.Sprintf("cores for those of %s ends in %.0f h", grouped(dayEnds), dayLasts.Hours()), decimals(ends, 5), "")
	r.row(fmt.Sprintf("cores for those of %d ends waited for", dayAwaited), decimals(waits, 5), "")
	r.row(fmt.Sprintf("cores for %s touches a second", grouped(fleetTouches)), decimals(touches, 5), "")
	r.row("ratio", decimals((c.unasked+ends+waits)/touches, 4), "≤ 0.01")
	r.row("gateways named as missing", strconv.Itoa(fleetStopped), "")
	return nil
}

// touchCost is how many cores touches take while nothing else happens.
func (r *run) touchCost(ctx context.Context, rig *busRig) (float64, error) {
	nothing, err := rig.cores(func() error { return steadily(ctx, r.FleetWatched, 0, nil) })
	if err != nil {
		return 0, err
	}
	touches, err := rig.cores(func() error { return steadily(ctx, r.FleetWatched, fleetTouches, rig.touch) })
	return touches - nothing, err
}

// confirming measures a fleet that confirms. The costs are the server's, without
// those of telling gateways whom to refuse.
type confirming struct {
	*run

	rig   *busRig
	ended int          // sessions by now
	heard atomic.Int64 // reports by now

	unasked   float64       // cores, for what gateways report by themselves
	reports   float64       // of each gateway about an end that nobody waits for
	end, wait time.Duration // of one end
}

// measure has the same ends heard by a fleet that reports nothing, by one that
// reports, and by one that is waited for.
func (c *confirming) measure(ctx context.Context) error {
	defer inBackground(ctx, func(ctx context.Context) error {
		return relay.Run(ctx, relay.Config{Log: c.rig.log, Logger: quiet})
	})()
	conns, closeAll, err := connections(c.rig)
	if err != nil {
		return err
	}
	defer closeAll()
	silent, err := c.silent(ctx, conns)
	if err != nil {
		return err
	}
	tracker, stop, err := c.track(ctx)
	if err != nil {
		return err
	}
	defer stop()
	lone, stop, err := c.list(ctx, conns)
	if err != nil {
		return err
	}
	defer stop()
	ends, err := c.ends(ctx)
	if err != nil {
		return err
	}
	c.unasked, c.reports = (ends.idle-silent.idle)/fleetHurry, ends.reports/float64(c.Gateways)
	if c.reports >= 0.1 { // otherwise there is nothing to measure but noise
		c.end = ends.each - silent.each
	}
	waits, err := c.waits(ctx, tracker)
	if err != nil {
		return err
	}
	c.wait = waits.each - silent.each
	lone.Close()
	return c.namesTheStopped(ctx, tracker)
}

// silent is what a fleet takes that reports nothing.
func (c *confirming) silent(ctx context.Context, conns []*nats.Conn) (turns, error) {
	stop, err := startFleet(ctx, c.Gateways, func(i int, config *gateway.Config) {
		config.NATS.Conn, config.Unlisted = conns[i%len(conns)], true
	})
	if err != nil {
		return turns{}, err
	}
	defer stop()
	return c.ends(ctx)
}

// track hears the reports twice, as a recorder and a query service do, and counts
// them.
func (c *confirming) track(ctx context.Context) (tracker *fleet.Tracker, stop func(), err error) {
	conn, err := bus.Connect(ctx, bus.Config{URL: c.rig.url, Name: "posse bench", Logger: quiet})
	if err != nil {
		return nil, nil, err
	}
	if _, err := conn.Subscribe(events.GatewayStatusWildcard, func(string, []byte) { c.heard.Add(1) }); err != nil {
		conn.Close()
		return nil, nil, err
	}
	tracker, err = fleet.Track(ctx, c.rig.conn, fleet.Config{Logger: quiet})
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return tracker, func() {
		tracker.Close()
		conn.Close()
	}, nil
}

// list starts a fleet that reports. The first of its gateways have a connection of
// their own.
func (c *confirming) list(ctx context.Context, conns []*nats.Conn) (lone *nats.Conn, stop func(), err error) {
	lone, err = nats.Connect(c.rig.url)
	if err != nil {
		return nil, nil, err
	}
	stopAll, err := startFleet(ctx, c.Gateways, func(i int, config *gateway.Config) {
		config.ID, config.Name = "till-"+strconv.Itoa(i), branch(i)
		config.NATS.Conn, config.StatusInterval = conns[i%len(conns)], gateway.DefaultStatusInterval/fleetHurry
		if i < fleetStopped {
			config.NATS.Conn = lone
		}
	})
	if err != nil {
		lone.Close()
		return nil, nil, err
	}
	return lone, func() {
		lone.Close()
		stopAll()
	}, nil
}

func branch(i int) string { return fmt.Sprintf("Branch %05d", i) }

// ends has sessions end now and then, nobody waiting.
func (c *confirming) ends(ctx context.Context) (turns, error) {
	turn := c.FleetWatched / fleetTurns
	return c.inTurns(ctx, fleetTurns, turn, func() error {
		if _, err := c.endOne(ctx); err != nil {
			return err
		}
		return steadily(ctx, turn, fleetEnds, func(int) error {
			_, err := c.endOne(ctx)
			return err
		})
	})
}

// turns is what ends take beyond a fleet at rest.
type turns struct {
	idle    float64       // cores of the fleet at rest
	each    time.Duration // of each end
	reports float64       // about each end
}

// inTurns rests for a while and then has sessions end, several times: what else the
// machine does changes.
func (c *confirming) inTurns(ctx context.Context, n int, rest time.Duration, end func() error) (turns, error) {
	var resting, ending phase
	before := c.ended
	for range n {
		if err := c.add(&resting, func() error { return steadily(ctx, rest, 0, nil) }); err != nil {
			return turns{}, err
		}
		if err := c.add(&ending, end); err != nil {
			return turns{}, err
		}
	}
	ended, longer := float64(c.ended-before), ending.took.Seconds()/resting.took.Seconds()
	return turns{
		idle:    resting.used.Seconds() / resting.took.Seconds(),
		each:    seconds((ending.used.Seconds() - longer*resting.used.Seconds()) / ended),
		reports: (float64(ending.reports) - longer*float64(resting.reports)) / ended,
	}, nil
}

// phase is what happened while the same was done.
type phase struct {
	used, took time.Duration
	reports    int64
}

func (c *confirming) add(p *phase, do func() error) error {
	began, heard := time.Now(), c.heard.Load()
	used, err := c.rig.cpuOf(do)
	p.used, p.took, p.reports = p.used+used, p.took+time.Since(began), p.reports+c.heard.Load()-heard
	return err
}

// endOne ends a session and returns the position of that in the log.
func (c *confirming) endOne(ctx context.Context) (uint64, error) {
	key := events.Key{Tenant: tenant, User: "user-" + strconv.Itoa(c.ended), Session: liveSession(c.ended)}
	c.ended++
	return c.rig.log.Append(ctx, []events.Envelope{revocationOf(key, time.Now())}, nil)
}

// waits ends sessions one after the other, and waits each time until the whole fleet
// has confirmed.
func (c *confirming) waits(ctx context.Context, tracker *fleet.Tracker) (turns, error) {
	n := max(1, 3*int(c.FleetWatched/fleetWaits))
	return c.inTurns(ctx, n, fleetWaits*2/3, func() error {
		report, err := c.endAndWait(ctx, tracker, fleetPatience)
		if err != nil {
			return err
		}
		if len(report.Confirmed) != c.Gateways {
			return fmt.Errorf("after %v %d of %d gateways have confirmed", fleetPatience, len(report.Confirmed), c.Gateways)
		}
		return steadily(ctx, fleetWaits/3, 0, nil)
	})
}

func (c *confirming) endAndWait(ctx context.Context, tracker *fleet.Tracker, patience time.Duration) (fleet.Report, error) {
	position, err := c.endOne(ctx)
	if err != nil {
		return fleet.Report{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return tracker.Wait(ctx, tenant, position), nil
}

// namesTheStopped fails unless exactly those gateways are missing that were cut off.
func (c *confirming) namesTheStopped(ctx context.Context, tracker *fleet.Tracker) error {
	report, err := c.endAndWait(ctx, tracker, fleetNaming)
	if err != nil {
		return err
	}
	var want, got []string
	for i := range fleetStopped {
		want = append(want, branch(i))
	}
	for _, m := range report.Missing {
		got = append(got, m.Name)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("of %d gateways %q were cut off, and %q are missing", c.Gateways, want, got)
	}
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
