package tokens

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	fetchTimeout = 5 * time.Second
	maxKeySet    = 1 << 20
	// fetchPause is how long after one attempt began the next one may, so that
	// forged key ids cannot make us a burden to the issuer.
	fetchPause    = time.Second
	maxFetchPause = 30 * time.Second
)

// fetched is what an issuer published and when we asked for it.
type fetched struct {
	keySet
	raw     []byte
	asked   time.Time
	version uint64
}

// source keeps an issuer's key set up to date in the background.
type source struct {
	fetch    func(context.Context) ([]byte, error)
	interval time.Duration
	now      func() time.Time
	log      *slog.Logger

	current atomic.Pointer[fetched] // nil until a set was fetched
	kick    chan struct{}
	cancel  context.CancelFunc
	ended   chan struct{}

	mu   sync.Mutex
	next chan struct{} // closed when an attempt that begins from now on has ended
}

func newSource(cfg Config) *source {
	fetch := cfg.FetchKeys
	if fetch == nil {
		fetch = fetchURL(cfg.HTTPClient, cfg.JWKSURL)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &source{
		fetch: fetch, interval: cfg.RefreshInterval, now: cfg.Now, log: cfg.Logger,
		kick: make(chan struct{}, 1), cancel: cancel, ended: make(chan struct{}), next: make(chan struct{}),
	}
	go s.run(ctx)
	return s
}

// run fetches at once, then every interval, and when it is kicked.
func (s *source) run(ctx context.Context) {
	defer close(s.ended)
	retry := fetchPause
	for ctx.Err() == nil {
		pause := s.interval
		if err := s.attempt(ctx); err != nil && ctx.Err() == nil {
			pause, retry = min(retry, s.interval), min(2*retry, maxFetchPause)
			s.log.WarnContext(ctx, "keys cannot be fetched, the last ones stay in use",
				slog.Any("error", err), slog.Duration("next_attempt", pause))
		} else {
			retry = fetchPause
		}
		s.rest(ctx, pause)
	}
}

// rest waits for the pause, or less when it is kicked, but never less than
// fetchPause.
func (s *source) rest(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(min(fetchPause, pause)):
	}
	select {
	case <-ctx.Done():
	case <-s.kick:
	case <-time.After(max(0, pause-fetchPause)):
	}
}

func (s *source) attempt(ctx context.Context) error {
	s.mu.Lock()
	done := s.next
	s.next = make(chan struct{})
	s.mu.Unlock()
	defer close(done)

	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	asked := s.now()
	raw, err := s.fetch(ctx)
	if err != nil {
		return err
	}
	last := s.current.Load()
	if last != nil && bytes.Equal(last.raw, raw) {
		s.current.Store(&fetched{keySet: last.keySet, raw: raw, asked: asked, version: last.version})
		return nil
	}
	set, err := parseKeySet(raw)
	if err != nil {
		return err
	}
	version := uint64(1)
	if last != nil {
		version = last.version + 1
	}
	s.current.Store(&fetched{keySet: set, raw: raw, asked: asked, version: version})
	return nil
}

// want asks for an attempt without waiting for it.
func (s *source) want() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// refresh waits until an attempt has ended that began after the call.
func (s *source) refresh(ctx context.Context) error {
	s.mu.Lock()
	done := s.next
	s.mu.Unlock()
	s.want()
	select {
	case <-done:
		return nil
	case <-s.ended:
		return errors.New("tokens: verifier is closed")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *source) close() {
	s.cancel()
	<-s.ended
}

func fetchURL(client *http.Client, url string) func(context.Context) ([]byte, error) {
	if client == nil {
		client = &http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
			CheckRedirect: stayOnHost,
		}
	}
	return func(ctx context.Context) ([]byte, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return nil, fmt.Errorf("tokens: fetch keys: %w", err)
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, fmt.Errorf("tokens: fetch keys: %w", err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("tokens: fetch keys from %s: the answer is %s", url, response.Status)
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
		if err != nil {
			return nil, fmt.Errorf("tokens: fetch keys from %s: %w", url, err)
		}
		if len(body) > maxKeySet {
			return nil, fmt.Errorf("tokens: fetch keys from %s: the answer is longer than %d bytes", url, maxKeySet)
		}
		return body, nil
	}
}

// stayOnHost refuses to take keys from where the operator did not say.
func stayOnHost(request *http.Request, via []*http.Request) error {
	if len(via) >= 3 || request.URL.Host != via[0].URL.Host || request.URL.Scheme != via[0].URL.Scheme {
		return fmt.Errorf("it redirects to %s", request.URL.Redacted())
	}
	return nil
}
