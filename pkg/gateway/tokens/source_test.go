package tokens_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// published is a key set that changes, and may be out of reach.
type published struct {
	mu    sync.Mutex
	set   []byte
	asked int
}

func (p *published) publish(set []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set = set
}

func (p *published) fetch(context.Context) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.set == nil {
		return nil, errors.New("out of reach")
	}
	return p.set, nil
}

func (p *published) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func follow(t *testing.T, fetch func(context.Context) ([]byte, error)) *tokens.Verifier {
	t.Helper()
	v, err := tokens.NewVerifier(tokens.Config{
		Preset: tokens.Posse, Issuer: issuer, FetchKeys: fetch, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// minted returns claims of a token minted now, by the clock of the bubble.
func minted() jwt.MapClaims {
	return good(jwt.MapClaims{"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()})
}

func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	one, two := newKey(t, "k1", jwt.SigningMethodEdDSA), newKey(t, "k2", jwt.SigningMethodEdDSA)
	synctest.Test(t, func(t *testing.T) {
		var p published
		p.publish(jwks(t, one.jwk()))
		v := follow(t, p.fetch)
		synctest.Wait()
		version := v.KeysVersion()
		if _, err := v.Verify(one.sign(t, minted())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
		p.publish(jwks(t, two.jwk(), one.jwk()))
		fresh := two.sign(t, minted())
		if _, err := v.Verify(fresh); !errors.Is(err, tokens.ErrKeysUnavailable) {
			t.Errorf("a token newer than the keys: %v", err)
		}
		if err := v.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{fresh, one.sign(t, minted())} {
			if _, err := v.Verify(token); err != nil {
				t.Errorf("after the rotation: %v", err)
			}
		}
		if v.KeysVersion() == version {
			t.Error("the version of the keys is the same")
		}
		p.publish(jwks(t, two.jwk()))
		time.Sleep(tokens.DefaultRefreshInterval) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		old := one.sign(t, good(jwt.MapClaims{"iat": time.Now().Add(-time.Hour).Unix(), "exp": time.Now().Add(time.Hour).Unix()}))
		if _, err := v.Verify(old); !errors.Is(err, tokens.ErrUnknownKey) {
			t.Errorf("a token of a key that is gone: %v", err)
		}
	})
}

func TestOldKeysServeWhileTheIssuerIsAway(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jwt.SigningMethodEdDSA)
	synctest.Test(t, func(t *testing.T) {
		var p published
		v := follow(t, p.fetch)
		synctest.Wait()
		if err := v.Ready(); !errors.Is(err, tokens.ErrKeysUnavailable) {
			t.Errorf("Ready without keys = %v", err)
		}
		if _, err := v.Verify(k.sign(t, minted())); !errors.Is(err, tokens.ErrKeysUnavailable) {
			t.Errorf("Verify without keys = %v", err)
		}
		p.publish(jwks(t, k.jwk()))
		time.Sleep(5 * time.Second) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if err := v.Ready(); err != nil {
			t.Errorf("five seconds after the issuer is back: %v", err)
		}
		for _, broken := range [][]byte{nil, []byte("{"), []byte(`{"keys":[]}`)} {
			p.publish(broken)
			time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock
			if _, err := v.Verify(k.sign(t, minted())); err != nil {
				t.Errorf("while the issuer publishes %q: %v", broken, err)
			}
		}
	})
}

// TestForgedKeyIDsAskOnceASecond presents a thousand unknown keys a second.
func TestForgedKeyIDsAskOnceASecond(t *testing.T) {
	t.Parallel()
	k, stranger := newKey(t, "k1", jwt.SigningMethodEdDSA), newKey(t, "forged", jwt.SigningMethodEdDSA)
	synctest.Test(t, func(t *testing.T) {
		var p published
		p.publish(jwks(t, k.jwk()))
		v := follow(t, p.fetch)
		synctest.Wait()
		forged := stranger.sign(t, minted())
		for range 10_000 {
			_, _ = v.Verify(forged)
			time.Sleep(time.Millisecond) //nolint:forbidigo // the bubble's clock
		}
		if n := p.count(); n > 12 {
			t.Errorf("the issuer was asked %d times in ten seconds", n)
		}
	})
}

func TestCloseEndsRefresh(t *testing.T) {
	t.Parallel()
	v := follow(t, func(ctx context.Context) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	done := make(chan error)
	go func() { done <- v.Refresh(t.Context()) }()
	v.Close()
	if err := <-done; err == nil {
		t.Log("the attempt ended before the verifier did")
	}
}

func TestKeysFromURL(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jwt.SigningMethodES256)
	set := jwks(t, k.jwk())
	var answer atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer.Load().(func(http.ResponseWriter, *http.Request))(w, r)
	}))
	defer server.Close()
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		ready  bool
	}{
		"a set":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }, true},
		"missing": {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, false},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(zeros{}, 2<<20))
		}, false},
		"another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost.invalid/jwks.json", http.StatusFound)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			answer.Store(test.answer)
			v, err := tokens.NewVerifier(tokens.Config{
				Preset: tokens.Posse, Issuer: issuer, JWKSURL: server.URL + "/jwks.json", Now: clock,
				Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			_ = v.Refresh(t.Context())
			if ready := v.Ready() == nil; ready != test.ready {
				t.Fatalf("Ready = %v", v.Ready())
			}
			if _, err := v.Verify(k.sign(t, good(nil))); (err == nil) != test.ready {
				t.Errorf("Verify = %v", err)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return copy(p, strings.Repeat("\x00", len(p))), nil }
