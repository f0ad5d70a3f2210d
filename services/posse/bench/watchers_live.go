package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/posse-pos/posse/events"
)

const (
	// stillLive is how long a screen may not show what happened. A busy machine is
	// slow, and that is printed; a screen that has stopped being live stays so.
	stillLive = time.Minute
	// liveTick is how often that is looked at.
	liveTick = 100 * time.Millisecond
	// openedAtOnce is how many screens are opened at the same time.
	openedAtOnce = 8
)

// watch opens screens, measures for a while, and closes them. The error wraps
// errNotLive if one of them stopped showing what happens.
func (s *shop) watch(ctx context.Context, screens int, span time.Duration) (*watched, error) {
	open, err := s.openScreens(ctx, screens)
	if err != nil {
		return nil, err
	}
	w := &watched{screens: screens}
	group, ctx := errgroup.WithContext(ctx)
	watching, closeAll := context.WithCancel(ctx)
	for _, screen := range open {
		group.Go(func() error { return whileRunning(watching, screen.run) })
	}
	group.Go(func() error {
		return whileRunning(watching, func(ctx context.Context) error { return keepLive(ctx, open) })
	})
	group.Go(func() error {
		defer closeAll()
		return s.meter(ctx, w, open, span)
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, screen := range open {
		w.add(screen)
	}
	return w, nil
}

// whileRunning does something that only the end of the context may end.
func whileRunning(ctx context.Context, do func(context.Context) error) error {
	err := do(ctx)
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}

// openScreens opens them on as many users, but that every fifth looks at whom
// another one looks at.
func (s *shop) openScreens(ctx context.Context, n int) ([]*openScreen, error) {
	user := func(screen int) int { return screen - screen/5 }
	var looked []events.Key
	for i := 0; n > 0 && i <= user(n-1); i++ {
		looked = append(looked, s.tills.ofUser(i))
	}
	shown := s.tills.show(looked)
	open := make([]*openScreen, n)
	err := shared(n, openedAtOnce, func(i int) (err error) {
		open[i], err = newScreen(ctx, s.query.api, "admin-"+strconv.Itoa(i), s.links, shown[user(i)])
		return err
	})
	return open, err
}

// meter reads the meters before and after a while, when all screens show what
// happens.
func (s *shop) meter(ctx context.Context, w *watched, open []*openScreen, span time.Duration) (err error) {
	if err := untilShown(ctx, open, time.Now()); err != nil {
		return err
	}
	if w.from, err = s.read(ctx); err != nil {
		return err
	}
	select {
	case <-time.After(span):
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.to, err = s.read(ctx); err != nil {
		return err
	}
	return untilShown(ctx, open, w.to.at)
}

// untilShown waits until every screen shows something that came after a moment.
func untilShown(ctx context.Context, open []*openScreen, moment time.Time) error {
	ticker := time.NewTicker(liveTick)
	defer ticker.Stop()
	for _, screen := range open {
		for !screen.shows(moment) {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// keepLive returns when a screen has not shown for too long what happened.
func keepLive(ctx context.Context, open []*openScreen) error {
	ticker := time.NewTicker(liveTick)
	defer ticker.Stop()
	for {
		for _, screen := range open {
			if since := screen.behind(); !since.IsZero() && time.Since(since) > stillLive {
				return fmt.Errorf("%w: %s's does not show what %s did %v ago",
					errNotLive, screen.admin, screen.looked.key.User, time.Since(since).Round(time.Millisecond))
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
