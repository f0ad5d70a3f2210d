package conformance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/netfault"
	"github.com/posse-pos/posse/services/posse/embedded"
	"github.com/posse-pos/posse/services/projector/relay"
)

const gatewayPassword = "a password of the conformance test"

// world is the posse around the gateway. Its methods are for one goroutine.
type world struct {
	config Config
	dir    string
	line   *netfault.Line
	people *people
	web    *web
	heard  *heard
	denied *violations

	mu     sync.Mutex // of server, which the line asks for
	server *embedded.Server

	conn      *bus.Conn
	log       *natslog.Log
	stopRelay func()
	closers   []func()
}

// newWorld starts everything but the relay, with the line cut.
func newWorld(ctx context.Context, config Config) (_ *world, err error) {
	w := &world{config: config, heard: newHeard(), denied: &violations{next: config.Logger.Handler()}, stopRelay: func() {}}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.dir, err = os.MkdirTemp("", "posse-conformance-"); err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	w.later(func() { _ = os.RemoveAll(w.dir) })
	if w.people, err = newPeople(filepath.Join(w.dir, "keys"), config.Tenant); err != nil {
		return nil, err
	}
	if w.web, err = newWeb(ctx, config, w.people); err != nil {
		return nil, err
	}
	w.later(w.web.close)
	w.people.issuer.Issuer = w.web.url
	if err := w.startNATS(ctx); err != nil {
		return nil, err
	}
	if w.line, err = netfault.Listen(config.NATS, w.serverAddress); err != nil {
		return nil, fmt.Errorf("conformance: NATS cannot be offered on %q: %w", config.NATS, err)
	}
	w.later(w.line.Close)
	return w, nil
}

func (w *world) later(end func()) { w.closers = append(w.closers, end) }

func (w *world) close() {
	w.stopNATS()
	for _, end := range slices.Backward(w.closers) {
		end()
	}
}

// environment says where everything is, by the variables that posse itself knows.
func (w *world) environment() []string {
	gatewayURL, err := url.Parse(w.config.URL)
	listen := ""
	if err == nil {
		listen = gatewayURL.Host
		if gatewayURL.Port() == "" {
			listen = net.JoinHostPort(gatewayURL.Hostname(), map[string]string{"http": "80", "https": "443"}[gatewayURL.Scheme])
		}
	}
	nats := url.URL{Scheme: "nats", User: url.UserPassword("gateway", gatewayPassword), Host: w.line.Address()}
	return []string{
		"POSSE_LISTEN=" + listen,
		"POSSE_NATS=" + nats.String(),
		"POSSE_JWKS=" + w.web.url + pathKeys,
		"POSSE_ISSUER=" + w.web.url,
		"POSSE_TENANT=" + w.config.Tenant,
		"POSSE_STALE_POLICY=" + w.config.Policy.String(),
		// In seconds, which is also easy to read for those who know no Go.
		"POSSE_STALE_AFTER=" + strconv.FormatFloat(w.config.StaleAfter.Seconds(), 'f', -1, 64) + "s",
		"POSSE_UPSTREAM=" + w.web.url,
	}
}

func (w *world) serverAddress() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.server.Address()
}

// startNATS starts the server on the data that it had before, if it had some.
func (w *world) startNATS(ctx context.Context) error {
	logger := slog.New(w.denied)
	server, err := embedded.Start(ctx, embedded.Config{
		Dir: filepath.Join(w.dir, "data"), GatewayPassword: gatewayPassword, Logger: logger, Volatile: true,
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.server = server
	w.mu.Unlock()
	if w.conn, err = bus.Connect(ctx, bus.Config{URL: server.URL(), Name: "conformance", Logger: w.config.Logger}); err != nil {
		return err
	}
	if err := w.declare(ctx); err != nil {
		return err
	}
	return w.heard.listen(w.conn)
}

func (w *world) declare(ctx context.Context) (err error) {
	w.log, err = natslog.New(ctx, w.conn, natslog.Config{Source: "/posse/conformance", Logger: w.config.Logger})
	return err
}

func (w *world) stopNATS() {
	w.stopRelay()
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
	if w.server != nil {
		_ = w.server.Close()
	}
}

// startRelay has revocations relayed, and ticks sent.
func (w *world) startRelay(ctx context.Context) {
	w.stopRelay()
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	log := w.log
	running.Go(func() {
		// It ends with its context, and tries again whatever else is wrong.
		_ = relay.Run(ctx, relay.Config{Log: log, Name: "conformance", TickEvery: w.config.TickEvery, Logger: w.config.Logger})
	})
	w.stopRelay = sync.OnceFunc(func() { cancel(); running.Wait() })
}

// restartNATS ends every connection to the server, as an upgrade of it would.
func (w *world) restartNATS(ctx context.Context) error {
	w.stopNATS()
	if err := w.startNATS(ctx); err != nil {
		return err
	}
	w.startRelay(ctx)
	return nil
}

// renewStream deletes POS_REVOCATIONS and has it filled anew from the log.
func (w *world) renewStream(ctx context.Context) error {
	w.stopRelay()
	if err := w.conn.JetStream().DeleteStream(ctx, events.StreamRevocations); err != nil {
		return fmt.Errorf("conformance: delete %s: %w", events.StreamRevocations, err)
	}
	if err := w.declare(ctx); err != nil {
		return err
	}
	w.startRelay(ctx)
	return nil
}

// restore brings everything in order.
func (w *world) restore(ctx context.Context) {
	w.web.showKeys(true)
	w.line.Open()
	w.startRelay(ctx)
}

// sendRaw puts a message of any kind among the tenant's revocations, where it stays
// for some seconds.
func (w *world) sendRaw(ctx context.Context, payload []byte, seconds int) error {
	answer, err := w.conn.Request(ctx, events.RevocationSubject(w.config.Tenant),
		map[string]string{"Nats-TTL": strconv.Itoa(seconds) + "s"}, payload)
	if err != nil {
		return fmt.Errorf("conformance: write to %s: %w", events.StreamRevocations, err)
	}
	if !acknowledged(answer) {
		return fmt.Errorf("conformance: write to %s: it answers %s", events.StreamRevocations, answer)
	}
	return nil
}

// relayedWithin is how long our own relay may take for a flood on a busy machine.
const (
	relayedWithin = 5 * time.Minute
	relayedEvery  = 10 * time.Millisecond
)

// relayed waits until the stream holds every revocation up to a sequence of the log.
func (w *world) relayed(ctx context.Context, sequence uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, relayedWithin, errors.New("conformance: the relay does not relay"))
	defer cancel()
	for {
		tick, _, err := w.log.LastTick(ctx)
		if err == nil && tick.Sequence >= sequence {
			return nil
		}
		if pause(ctx, relayedEvery) != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
