package embedded_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/services/posse/embedded"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, config embedded.Config) *embedded.Server {
	t.Helper()
	config.Logger = slog.New(slog.DiscardHandler)
	server, err := embedded.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func connect(t *testing.T, url string) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func TestServerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := start(t, embedded.Config{Dir: dir})
	js, err := connect(t, server.URL()).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish("s", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}

	server = start(t, embedded.Config{Dir: dir})
	defer server.Close()
	js, err = connect(t, server.URL()).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if message, err := js.GetMsg("S", 1); err != nil || string(message.Data) != "kept" {
		t.Errorf("after a restart: %v, %v", message, err)
	}
}

func TestServerAdmitsOnlyItsOwnProcess(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Config{Dir: t.TempDir()})
	defer server.Close()
	_, err := nats.Connect("nats://" + server.Address())
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a stranger's connect = %v", err)
	}
	if !strings.HasPrefix(server.Address(), "127.0.0.1:") {
		t.Errorf("it listens on %s", server.Address())
	}
}

func TestGatewayMayReadRevocationsOnly(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", GatewayPassword: "a password"})
	defer server.Close()
	own, err := connect(t, server.URL()).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{"POS_REVOCATIONS": "pos.v1.revocation.*", "POS_SESSIONS": "pos.v1.session.>"} {
		if _, err := own.AddStream(&nats.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}

	gateway, err := connect(t, "nats://gateway:a%20password@"+server.Address()).JetStream(nats.MaxWait(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gateway.StreamInfo("POS_REVOCATIONS"); err != nil {
		t.Errorf("a gateway cannot see POS_REVOCATIONS: %v", err)
	}
	if _, err := gateway.StreamInfo("POS_SESSIONS"); err == nil {
		t.Error("a gateway may see POS_SESSIONS")
	}
	if _, err := gateway.Publish("pos.v1.session.shop.anna", []byte("forged")); err == nil {
		t.Error("a gateway may write history")
	}
}

func TestDirectoryIsForOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := start(t, embedded.Config{Dir: dir})
	if _, err := embedded.Start(t.Context(), embedded.Config{Dir: dir}); !errors.Is(err, embedded.ErrInUse) {
		t.Errorf("second start = %v, want ErrInUse", err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := start(t, embedded.Config{Dir: dir}).Close(); err != nil {
		t.Errorf("start after the first ended = %v", err)
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"nonsense", "127.0.0.1:port", "127.0.0.1:99999"} {
		_, err := embedded.Start(t.Context(), embedded.Config{Dir: t.TempDir(), Listen: listen})
		if err == nil || !strings.Contains(err.Error(), listen) {
			t.Errorf("Start with listen %q = %v", listen, err)
		}
	}
}
