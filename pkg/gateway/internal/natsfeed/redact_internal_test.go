package natsfeed

import (
	"log/slog"
	"strings"
	"testing"
)

func TestAddressesAreShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	for addresses, want := range map[string]string{
		"nats://a:4222":                           "nats://a:4222",
		"nats://user:secret@a:4222, tls://b":      "nats://xxxxx@a:4222,tls://b",
		"nats://secret@a":                         "nats://xxxxx@a",
		"nats://user:secret@a:port":               "(not a URL)",
		"nats://user:secret@a:1,nats://secret@b:": "nats://xxxxx@a:1,nats://xxxxx@b:",
	} {
		if got := redact(addresses); got != want {
			t.Errorf("redact(%q) = %q, want %q", addresses, got, want)
		}
	}
}

func TestOpenDoesNotQuoteSecrets(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{
		{URL: "nats://user:secret@a:port"},
		{URL: "nats://user:secret@127.0.0.1:1", CredsFile: "missing.creds"},
		{URL: "nats://user:secret@127.0.0.1:1", NKeyFile: "missing.nk"},
		{URL: "tls://user:secret@127.0.0.1:1", CAFile: "missing.pem"},
	} {
		cfg.Logger = slog.New(slog.DiscardHandler)
		feed, err := Open(cfg)
		if err == nil {
			feed.Close()
			t.Logf("%+v is only found out when the servers answer", cfg.CredsFile)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error quotes the password: %v", err)
		}
	}
}
