package bench

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/projector"
	"github.com/posse-pos/posse/services/projector/relay"
	"github.com/posse-pos/posse/services/recorder"
)

// issuer is who seals links and cookies, as the flag --issuer has it.
const issuer = "posse"

// shop is a posse with one process per role, but that those besides the query
// service are all in this process.
type shop struct {
	rig       *rig
	tills     *tills
	query     *queryService
	links     *token.Issuer
	database  *pgxpool.Pool
	announced atomic.Int64
	closers   []func()
}

// openShop starts everything, with so many users of two sessions each in the log
// and in the read model.
func (r *run) openShop(ctx context.Context, users int) (_ *shop, err error) {
	if err := r.needPostgres(); err != nil {
		return nil, err
	}
	s := &shop{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.rig, err = newRig(ctx, r.Dir); err != nil {
		return nil, err
	}
	s.onClose(s.rig.close)
	if s.database, err = pgxpool.New(ctx, r.Postgres); err != nil {
		return nil, err
	}
	s.onClose(s.database.Close)
	if s.tills, err = newTills(ctx, s.rig, users); err != nil {
		return nil, err
	}
	if err := s.runRoles(ctx, r.Postgres); err != nil {
		return nil, err
	}
	err = s.runQuery(ctx, r.Postgres)
	return s, err
}

func (s *shop) onClose(do func()) { s.closers = append(s.closers, do) }

// close ends everything, what was started last first.
func (s *shop) close() {
	for i := range s.closers {
		s.closers[len(s.closers)-1-i]()
	}
}

// runRoles runs what the query service relies on, and waits until the read model
// shows the log.
func (s *shop) runRoles(ctx context.Context, postgres string) error {
	store, err := pgstore.Open(ctx, pgstore.Config{URL: postgres, Logger: quiet})
	if err != nil {
		return err
	}
	s.onClose(store.Close)
	// The schema is that of every query service, so it may be somebody's.
	if at, err := store.Checkpoint(ctx, events.StreamSessions); err != nil || at.Sequence > 0 {
		return errors.Join(err, errors.New("needs a database without a read model"))
	}
	project, err := projector.New(projector.Config{Log: s.rig.log, Store: store, Bus: s.rig.conn, Logger: quiet})
	if err != nil {
		return err
	}
	record, err := recorder.New(recorder.Config{Log: s.rig.log, Reader: store, Bus: s.rig.conn, Logger: quiet})
	if err != nil {
		return err
	}
	for _, run := range []func(context.Context) error{
		project.Run, record.Run,
		func(ctx context.Context) error { return relay.Run(ctx, relay.Config{Log: s.rig.log, Logger: quiet}) },
	} {
		s.onClose(inBackground(ctx, run))
	}
	return s.rig.settled(ctx, store)
}

// runQuery starts the query service, and hears what it hears.
func (s *shop) runQuery(ctx context.Context, postgres string) error {
	dir, err := os.MkdirTemp(s.rig.dir, "query-")
	if err != nil {
		return err
	}
	keyring, err := token.OpenKeyring(token.KeyringConfig{Dir: dir, Logger: quiet})
	if err != nil {
		return err
	}
	s.links = &token.Issuer{Keyring: keyring, Issuer: issuer}
	s.query, err = startQuery(ctx, dir, "POSSE_KEYS="+dir, "POSSE_ISSUER="+issuer,
		"POSSE_NATS="+s.rig.server.URL(), "POSSE_POSTGRES="+postgres)
	if err != nil {
		return err
	}
	s.onClose(s.query.stop)
	stop, err := s.rig.conn.Subscribe(events.ChangedSubject(tenant), func(string, []byte) { s.announced.Add(1) })
	if err != nil {
		return err
	}
	s.onClose(stop)
	return nil
}
