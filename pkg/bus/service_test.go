package bus_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/natstest"
)

func TestServe(t *testing.T) {
	t.Parallel()
	conn := connect(t, bus.Config{URL: natstest.Start(t).URL()})
	serve(t, conn, bus.Service{Name: "greeter", Version: "1.0.0", Endpoints: []bus.Endpoint{
		{Name: "hello", Subject: "g.hello", Handler: func(_ context.Context, header map[string]string, data []byte) ([]byte, error) {
			return append([]byte(header["Tone"]+" "), data...), nil
		}},
		{Name: "refuse", Subject: "g.refuse", Handler: func(context.Context, map[string]string, []byte) ([]byte, error) {
			return nil, &bus.ServiceError{Code: "404", Description: "not\nhere", Body: []byte("{}")}
		}},
		{Name: "break", Subject: "g.break", Handler: func(context.Context, map[string]string, []byte) ([]byte, error) {
			return nil, errors.New("a secret of the inside")
		}},
		{Name: "panic", Subject: "g.panic", Handler: func(context.Context, map[string]string, []byte) ([]byte, error) {
			panic("oops")
		}},
	}})

	body, err := conn.Request(t.Context(), "g.hello", map[string]string{"Tone": "dear"}, []byte("world"))
	if err != nil || string(body) != "dear world" {
		t.Fatalf("hello: %q, %v", body, err)
	}
	for subject, want := range map[string]bus.ServiceError{
		"g.refuse": {Code: "404", Description: "not here", Body: []byte("{}")},
		"g.break":  {Code: "500", Description: "internal error"},
		"g.panic":  {Code: "500", Description: "internal error"},
	} {
		_, err := conn.Request(t.Context(), subject, nil, nil)
		var got *bus.ServiceError
		if !errors.As(err, &got) || got.Code != want.Code || got.Description != want.Description || !bytes.Equal(got.Body, want.Body) {
			t.Errorf("%s: %+v, want %+v", subject, err, want)
		}
	}
}

func TestServeHandlesRequestsAtOnce(t *testing.T) {
	t.Parallel()
	conn := connect(t, bus.Config{URL: natstest.Start(t).URL()})
	both := make(chan struct{})
	arrived := make(chan struct{}, 2)
	serve(t, conn, bus.Service{Name: "pair", Version: "1.0.0", Endpoints: []bus.Endpoint{{
		Name: "meet", Subject: "p.meet", Handler: func(context.Context, map[string]string, []byte) ([]byte, error) {
			arrived <- struct{}{}
			<-both
			return nil, nil
		},
	}}})

	answers := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := conn.Request(t.Context(), "p.meet", nil, nil)
			answers <- err
		}()
	}
	receive(t, arrived)
	receive(t, arrived)
	close(both)

	for range 2 {
		if err := receive(t, answers); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServeFinishesWhatItHasBegun(t *testing.T) {
	t.Parallel()
	conn := connect(t, bus.Config{URL: natstest.Start(t).URL()})
	begun, finish := make(chan struct{}), make(chan struct{})
	stop := serve(t, conn, bus.Service{Name: "slow", Version: "1.0.0", Endpoints: []bus.Endpoint{{
		Name: "work", Subject: "s.work", Handler: func(ctx context.Context, _ map[string]string, _ []byte) ([]byte, error) {
			close(begun)
			<-finish
			return []byte("done"), ctx.Err()
		},
	}}})

	answer := make(chan string, 1)
	go func() {
		body, err := conn.Request(t.Context(), "s.work", nil, nil)
		answer <- string(body) + errorText(err)
	}()
	receive(t, begun)
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(finish)

	if got := receive(t, answer); got != "done" {
		t.Fatalf("answer %q, want done", got)
	}
	receive(t, stopped)
	if _, err := conn.Request(t.Context(), "s.work", nil, nil); !errors.Is(err, bus.ErrNoResponders) {
		t.Fatalf("request after the service's end: %v, want ErrNoResponders", err)
	}
}

func TestRequestTimesOut(t *testing.T) {
	t.Parallel()
	conn := connect(t, bus.Config{URL: natstest.Start(t).URL()})
	stop, err := conn.Subscribe("deaf", func(string, []byte) {})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()

	if _, err := conn.Request(ctx, "deaf", nil, nil); !errors.Is(err, bus.ErrTimeout) {
		t.Fatalf("Request: %v, want ErrTimeout", err)
	}
	canceled, abort := context.WithCancel(t.Context())
	abort()
	if _, err := conn.Request(canceled, "deaf", nil, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("Request: %v, want Canceled", err)
	}
}

func TestServeRefusesBadNames(t *testing.T) {
	t.Parallel()
	conn := connect(t, bus.Config{URL: natstest.Start(t).URL()})
	if err := conn.Serve(t.Context(), bus.Service{Name: "two words", Version: "1.0.0"}); err == nil {
		t.Error("Serve took a name of two words")
	}
	endpoint := bus.Endpoint{Name: "two words", Subject: "x"}
	if err := conn.Serve(t.Context(), bus.Service{Name: "x", Version: "1.0.0", Endpoints: []bus.Endpoint{endpoint}}); err == nil {
		t.Error("Serve took an endpoint name of two words")
	}
}

// serve runs a service until the test's end or stop, and returns once it has
// all its endpoints.
func serve(t *testing.T, conn *bus.Conn, service bus.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- conn.Serve(ctx, service) }()
	once := make(chan struct{}, 1)
	once <- struct{}{}
	stop = func() {
		cancel()
		if _, first := <-once; first {
			close(once)
			if err := <-ended; err != nil {
				t.Errorf("Serve: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	last := service.Endpoints[len(service.Endpoints)-1].Subject
	waitUntil(t, func() bool {
		body, err := conn.Request(t.Context(), "$SRV.INFO."+service.Name, nil, nil)
		return err == nil && strings.Contains(string(body), `"subject":"`+last+`"`)
	})
	return stop
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
