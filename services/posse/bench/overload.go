package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/process"
	"github.com/posse-pos/posse/services/recorder"
)

const (
	// overloaded is how many times the sustainable rate is offered.
	overloaded = 2
	// endingsRate is how many sessions are ended a second meanwhile.
	endingsRate = 20
	// prepareCallers are how many sign in at once those who are to be signed out.
	prepareCallers = 8
	// oneByOne is how many of each are timed while there is no load.
	oneByOne = 200
)

// measureOverload offers a recorder twice the logins that it can record, over HTTP
// and whether it answers or not, and ends sessions meanwhile. The recorder, with its
// log and its read model, is a process of its own.
func measureOverload(ctx context.Context, r *run) error {
	r.section(fmt.Sprintf("overload: %d times the logins that can be recorded, over HTTP, an fsync behind every write", overloaded))
	shop, err := openOverload(ctx, r.Dir)
	if err != nil {
		return err
	}
	defer shop.close()
	ends := oneByOne + int(r.OverloadFor.Seconds()*endingsRate) + 1
	if err := shared(ends, prepareCallers, func(i int) error { return good(shop.login(ctx, i, "till-"+strconv.Itoa(i))) }); err != nil {
		return err
	}
	return r.overload(ctx, shop)
}

func (r *run) overload(ctx context.Context, shop *overload) error {
	alone, err := sampled(oneByOne, func(i int) error { return good(shop.login(ctx, i, "alone-"+strconv.Itoa(i))) })
	if err != nil {
		return err
	}
	r.latency("a login, alone", alone, "")
	if alone, err = sampled(oneByOne, func(i int) error { return good(shop.terminate(ctx, i)) }); err != nil {
		return err
	}
	r.latency("Terminate, alone", alone, "")
	rate, err := shop.sustainable(ctx, r.OverloadFor/2)
	if err != nil {
		return err
	}
	r.rate(fmt.Sprintf("sustainable logins, %d callers", loginCallers), rate)

	var meanwhile sync.WaitGroup
	endings := make(chan *answers, 1)
	meanwhile.Go(func() {
		endings <- offer(endingsRate, r.OverloadFor, func(i int) (int, error) { return shop.terminate(ctx, oneByOne+i) })
	})
	logins := offer(overloaded*rate, r.OverloadFor, func(i int) (int, error) { return shop.login(ctx, i, "more-"+strconv.Itoa(i)) })
	meanwhile.Wait()
	seconds := r.OverloadFor.Seconds()
	r.rate("logins offered", float64(logins.count())/seconds)
	r.rate("accepted", float64(len(logins.accepted))/seconds)
	r.rate("refused with 429 or 503", float64(len(logins.refused))/seconds)
	r.row("not answered, or otherwise", grouped(float64(logins.other)), "0")
	r.latency("an accepted login", logins.accepted, "")
	r.latency("a refusal", logins.refused, "")
	ended := <-endings
	r.latency("Terminate meanwhile", ended.accepted, "")
	r.row("Terminates that were not carried out", fmt.Sprintf("%d of %d", ended.count()-len(ended.accepted), ended.count()), "0")
	return nil
}

// overload is a recorder in a process of its own, and who asks it.
type overload struct {
	*child

	client *http.Client
}

func openOverload(ctx context.Context, dir string) (*overload, error) {
	started, err := startChild(ctx, "bench-recorder", "--dir", dir)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: process.DefaultMaxConnections()}
	return &overload{started, &http.Client{Transport: transport}}, nil
}

func (o *overload) close() {
	o.client.CloseIdleConnections()
	o.finish()
}

// ServeRecorder is a recorder on a port, with a log and a read model of its own.
func ServeRecorder(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	rig, err := newRig(ctx, dir)
	if err != nil {
		return err
	}
	defer rig.close()
	store := memstore.New(memstore.Config{})
	stop, err := rig.project(ctx, store)
	if err != nil {
		return err
	}
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	rec, err := recorder.New(recorder.Config{
		Log: rig.log, Reader: store, Bus: rig.conn, Logger: quiet,
		Authenticator: bearers{"backend": backend, "admin": admin}, Listener: listener,
	})
	if err != nil {
		return err
	}
	defer inBackground(ctx, rec.Serve)()
	return serveChild("http://"+listener.Addr().String(), in, out)
}

// bearers knows callers by name.
type bearers map[string]principal.Principal

func (b bearers) Authenticate(_ context.Context, bearer string) (principal.Principal, error) {
	if p, known := b[bearer]; known {
		return p, nil
	}
	return principal.Principal{}, principal.ErrUnauthenticated
}

// login signs a user in and returns the status of the answer.
func (o *overload) login(ctx context.Context, i int, user string) (int, error) {
	session := ""
	if strings.HasPrefix(user, "till-") {
		session = `"session":"s-` + strconv.Itoa(i) + `",`
	}
	return o.ask(ctx, http.MethodPost, "/v1/sessions", "backend", `{"user":"`+user+`",`+session+`"platform":"ios","app_version":"1.8.1"}`)
}

// terminate ends the session of one of those who signed in first.
func (o *overload) terminate(ctx context.Context, i int) (int, error) {
	return o.ask(ctx, http.MethodDelete, "/v1/sessions/s-"+strconv.Itoa(i), "admin", "")
}

func (o *overload) ask(ctx context.Context, method, path, bearer, body string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, method, o.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	response, err := o.client.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body) // so that the connection is used again
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

// good refuses to time an answer that is none.
func good(status int, err error) error {
	if err == nil && status >= http.StatusMultipleChoices {
		return fmt.Errorf("the answer is %d", status)
	}
	return err
}

// sustainable is how many logins a second are recorded, of callers that wait for each
// and never rest.
func (o *overload) sustainable(ctx context.Context, during time.Duration) (float64, error) {
	var done atomic.Int64
	start := time.Now()
	err := shared(math.MaxInt, loginCallers, func(i int) error {
		if time.Since(start) > during {
			return errEnough
		}
		status, err := o.login(ctx, i, "steady-"+strconv.Itoa(i))
		if status == http.StatusCreated {
			done.Add(1)
		}
		return err
	})
	if !errors.Is(err, errEnough) {
		return 0, err
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}

// errEnough ends what goes on until it does.
var errEnough = errors.New("bench: enough")

// answers are what became of requests.
type answers struct {
	mu                sync.Mutex
	accepted, refused []time.Duration
	other             int
}

func (a *answers) count() int { return len(a.accepted) + len(a.refused) + a.other }

func (a *answers) add(status int, err error, took time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err != nil:
		a.other++
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		a.refused = append(a.refused, took)
	case status < http.StatusMultipleChoices:
		a.accepted = append(a.accepted, took)
	default:
		a.other++
	}
}

// offer asks so many times a second, whether those before were answered or not, and
// returns when all are.
func offer(perSecond float64, during time.Duration, ask func(i int) (status int, err error)) *answers {
	var all answers
	var asked sync.WaitGroup
	begin := time.Now()
	for i := range int(perSecond * during.Seconds()) {
		due := begin.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))
		if early := time.Until(due); early > time.Millisecond {
			<-time.After(early)
		}
		asked.Go(func() {
			start := time.Now()
			status, err := ask(i)
			all.add(status, err, time.Since(start))
		})
	}
	asked.Wait()
	return &all
}
