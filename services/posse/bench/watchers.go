package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// Watch is what the part watchers loads the query service with.
type Watch struct {
	// Screens is how many are open at once, in one measurement after the other;
	// nil means 50, for which there is an aim, and 200.
	Screens []int
	// Users have two sessions each; 0 means 10,000.
	Users int
	// Touches arrive in a second; 0 means 1,000.
	Touches int
	// For is how long a measurement takes; 0 means 30 s.
	For time.Duration
}

// aimedScreens is how many screens there is an aim for.
const aimedScreens = 50

func (w Watch) withDefaults() (Watch, error) {
	if len(w.Screens) == 0 {
		w.Screens = []int{aimedScreens, 4 * aimedScreens}
	}
	w.Users = cmp.Or(w.Users, 10_000)
	w.Touches = cmp.Or(w.Touches, 1000)
	w.For = cmp.Or(w.For, 30*time.Second)
	if most := slices.Max(w.Screens); most > w.Users || most > w.Touches {
		return w, fmt.Errorf("%d screens need as many users, and as many touches a second, not %d and %d", most, w.Users, w.Touches)
	}
	return w, nil
}

// measureWatchers opens screens while devices are active, and prints what that
// takes of a query service that is a process of its own.
func measureWatchers(ctx context.Context, r *run) error {
	load, err := r.Watch.withDefaults()
	if err != nil {
		return err
	}
	r.section(fmt.Sprintf("open screens, %s users of two sessions, %s touches a second for %v",
		grouped(float64(load.Users)), grouped(float64(load.Touches)), load.For))
	shop, err := r.openShop(ctx, load.Users)
	if err != nil {
		return err
	}
	err = r.watch(ctx, shop, load)
	shop.close()
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w%s", err, shop.query.complaints())
	}
	return err
}

// watch measures with no screen first, and then with as many as the load says.
func (r *run) watch(ctx context.Context, s *shop, load Watch) error {
	group, ctx := errgroup.WithContext(ctx)
	working, closing := context.WithCancel(ctx)
	group.Go(func() error { return s.tills.work(working, load.Touches) })
	group.Go(func() error {
		defer closing()
		nobody, err := s.watch(ctx, 0, load.For)
		if err != nil {
			return err
		}
		r.unwatched(nobody)
		for _, screens := range load.Screens {
			seen, err := s.watch(ctx, screens, load.For)
			if err != nil {
				return err
			}
			r.watched(seen, nobody)
		}
		return nil
	})
	return group.Wait()
}

// unwatched prints what goes on when no screen is open.
func (r *run) unwatched(w *watched) {
	rates := w.perSecond()
	r.rate("touches stored", rates.touches)
	r.rate("changes announced", rates.announced)
	r.row("cores of the query service, nobody watches", decimals(rates.cpu, 3), "")
}

// watched prints what so many screens take more, and how live they are.
func (r *run) watched(w, nobody *watched) {
	row := func(what string) string { return strconv.Itoa(w.screens) + " screens: " + what }
	rates, before := w.perSecond(), nobody.perSecond()
	aim := ""
	if w.screens == aimedScreens {
		aim = "≤ 0.25"
	}
	r.row(row("cores of the query service"), decimals(rates.cpu, 3), aim)
	r.rate(row("touches stored"), rates.touches)
	r.rate(row("panes refreshed"), rates.refreshes)
	r.row(row("reads of PostgreSQL per refresh"), decimals((rates.transactions-before.transactions)/rates.refreshes, 2), "")
	r.latency(row("from a touch to the screen"), w.samples, "")
	r.row(row("longest without a refresh"), short(w.longest), "")
}

func decimals(x float64, n int) string { return strconv.FormatFloat(x, 'f', n, 64) }
