package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/posse/embedded"
	"github.com/posse-pos/posse/services/query"
	"github.com/posse-pos/posse/services/recorder"
)

// ownInbox is where this process awaits NATS's answers to itself: gateways
// elsewhere may listen to the usual place, and answers can hold tokens.
const ownInbox = "_INBOX_posse"

// openKeys opens the keys, and makes a backend key if there is none.
func (s *allInOne) openKeys(ctx context.Context) (err error) {
	if s.policies, err = loadPolicies(s.cmd); err != nil {
		return err
	}
	if s.keep, err = parseRetention(s.cmd); err != nil {
		return err
	}
	if s.id, err = s.openIdentity(ctx, longestLifetime(s.policies)); err != nil {
		return err
	}
	if s.cmd.Bool("demo") {
		return s.renewDemoKey()
	}
	if len(s.id.backends.List()) > 0 {
		return nil
	}
	s.key, _, err = s.id.backends.Create(s.cmd.String("tenant"), "made by the first start", time.Now())
	return err
}

// openServeLog starts the NATS inside, unless there is one outside, and opens
// the log on it.
func (s *allInOne) openServeLog(ctx context.Context) (err error) {
	config := s.busConfig()
	inside := config.URL == ""
	if !inside && s.cmd.IsSet("max-storage") {
		return errors.New("--max-storage is for the NATS inside, and --nats names another: set its max_file_store")
	}
	if inside {
		if s.nats != (natsSettings{}) {
			return errors.New("there is no --nats to show the --nats-… flags to; the NATS inside needs none")
		}
		if config.URL, err = s.startNATS(ctx); err != nil {
			return err
		}
		config.InboxPrefix = ownInbox
	}
	s.natsURL = config.URL
	if s.conn, err = s.connect(ctx, config); err != nil {
		return err
	}
	s.log, err = s.declareLog(ctx, s.conn, s.policies)
	if !inside {
		s.room = natslog.NewGauge(s.conn, s.log)
	}
	return err
}

func (s *allInOne) startNATS(ctx context.Context) (natsURL string, err error) {
	config := embedded.Config{
		Dir: s.cmd.String("data"), Listen: s.cmd.String("nats-listen"),
		MaxStorage: int64(s.cmd.Int("max-storage")) << 20, Logger: s.logger,
	}
	if config.Listen != "" {
		if config.GatewayPassword, err = gatewayPassword(config.Dir); err != nil {
			return "", err
		}
	}
	nats, err := embedded.Start(context.WithoutCancel(ctx), config)
	if err != nil {
		return "", err
	}
	s.room = nats
	s.add("nats-server", nats.Run, nil)
	if config.Listen != "" {
		s.addresses["nats"] = "nats://" + nats.Address()
	}
	return nats.URL(), nil
}

// gatewayPassword is what gateways elsewhere show as the user "gateway"; the
// first start makes it.
func gatewayPassword(dir string) (string, error) {
	file := filepath.Join(dir, "gateway-password")
	data, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	password := rand.Text()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return password, os.WriteFile(file, []byte(password+"\n"), 0o600)
}

// signHistory adds an auditor. The tills of a shop go on when it cannot sign: the log
// says so, and the metric posse_auditor_halted is 1 when the history is not what it was.
func (s *allInOne) signHistory(ctx context.Context) error {
	auditor, err := s.openAuditor(ctx, s.log)
	if err != nil {
		s.logger.ErrorContext(ctx, "the history is not being signed", slog.Any("error", err))
		return nil
	}
	s.onEnd("audit directory", auditor.Close)
	s.add("auditor", func(ctx context.Context) error {
		if err := auditor.Run(ctx); err != nil {
			s.logger.ErrorContext(ctx, "the history is not being signed any more", slog.Any("error", err))
		}
		<-ctx.Done()
		return nil
	}, nil)
	return nil
}

func (s *allInOne) openStore(ctx context.Context) (err error) {
	if s.cmd.String("postgres") == "" {
		s.store = memstore.New(memstore.Config{})
		return nil
	}
	s.store, err = s.openPostgres(ctx)
	return err
}

func (s *allInOne) wireServeGateway(ctx context.Context) error {
	verifier := s.id.verifier
	if s.foreignTokens() {
		var err error
		//nolint:contextcheck // it fetches keys until it is closed
		if s.foreign, err = s.openVerifier(); err != nil {
			return err
		}
		verifier = s.foreign
	}
	config, err := s.gatewayConfig(verifier)
	if err != nil {
		return err
	}
	config.Gateway.Name = "serve"
	config.Gateway.NATS = gateway.NATS{URL: s.natsURL}
	if s.nats.url != "" {
		config.Gateway.NATS = s.gatewayNATS()
	}
	if s.cmd.Bool("demo") && config.Upstream == nil {
		if config.Upstream, err = s.demoUpstream(ctx); err != nil {
			return err
		}
	}
	if s.gateway, err = s.addGateway(ctx, config); err != nil {
		return err
	}
	if err := s.serveExtAuthz(ctx, s.gateway); err != nil || config.Upstream == nil {
		return err
	}
	return s.serve(ctx, "proxy", s.cmd.String("proxy-listen"), s.gateway.Proxy())
}

func (s *allInOne) wireServices(ctx context.Context) (err error) {
	if err := s.addProjector(s.conn, s.log, s.store, s.keep); err != nil {
		return err
	}
	if s.fleet, err = s.trackGateways(ctx, s.conn); err != nil {
		return err
	}
	record, err := s.newRecorder(s.id, s.conn, s.log, s.room, s.store, s.policies)
	if err != nil {
		return err
	}
	s.add("commands", record.Run, nil)
	worth, err := s.newIntrospection(s.id, s.foreign, s.gateway.Gateway(), record)
	if err != nil {
		return err
	}
	reads, authenticator, err := s.newQuery(record)
	if err != nil {
		return err
	}
	s.add("changes", reads.Run, reads.Ready)
	past, err := s.newHistory(s.log, authenticator)
	if err != nil {
		return err
	}
	err = s.serveAPI(ctx, api{
		title: "posse", authenticator: authenticator, parts: []part{record, worth, reads, past}, ender: record, gateways: s.fleet,
		mount: reads.Mount, around: s.gateway.Doors,
	})
	if err == nil && s.cmd.Bool("demo") {
		s.addDemo()
	}
	return err
}

func (s *allInOne) newQuery(record *recorder.Recorder) (*query.Service, principal.Authenticator, error) {
	ended := endedIn(s.gateway.Gateway().Revoked, s.store)
	authenticator := s.id.authenticator(ended)
	signIn, err := s.signIn(s.id, record, authenticator, ended, s.gateway.Gateway())
	if err != nil {
		return nil, nil, err
	}
	service, err := query.New(query.Config{
		Store: s.store, Bus: s.conn, Gateways: s.fleet, Confirmations: s.fleet, Authenticator: authenticator, Ender: record,
		SignIn: signIn, AvatarHosts: s.cmd.StringSlice("avatar-hosts"), TokenParameter: s.cmd.Bool("token-parameter"),
		MaxScreens: s.maxConnections() / 2, MaxWatchers: s.maxConnections() / 4,
		TouchInterval: s.cmd.Duration("touch-interval"), Logger: s.logger, Metrics: s.registry,
	})
	return service, authenticator, err
}

func (s *allInOne) demoUpstream(ctx context.Context) (*url.URL, error) {
	if err := s.serve(ctx, "backend", "127.0.0.1:0", demoBackend()); err != nil {
		return nil, err
	}
	return url.Parse(s.addresses["backend"])
}
