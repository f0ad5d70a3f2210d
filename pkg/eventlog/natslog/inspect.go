package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Inspection is what can be seen of the log from outside, by whoever may look.
type Inspection struct {
	// Domain of JetStream; "" means that it has none.
	Domain string
	// Stored is how many bytes the account has on the servers' disks, and Limit how
	// many it may have; Limit -1 means as many as there is room for.
	Stored, Limit int64
	// Streams are those of Config.StreamConfigs, in that order.
	Streams []Inspected
	// Tick and Fact are the newest of their kind; nil means that there is none.
	Tick *StampedTick
	Fact *StampedFact
	// Unread are durable consumers of POS_SESSIONS, in which messages wait and for
	// which nobody asks right now: of the first 256.
	Unread []Unread
}

// Unread is a consumer that nobody reads, and how many messages wait in it.
type Unread struct {
	Name    string
	Pending uint64
}

// Inspected is one stream.
type Inspected struct {
	Name string
	// Missing says that it does not exist; then nothing below is set.
	Missing bool
	// Differences from what posse declares.
	Differences []Difference
	// Replicas is how many copies it is to have, on servers of Cluster; "" means a
	// server of its own.
	Replicas int
	Cluster  string
	// Leader is the server that answered, "" if it has no name for that; Behind are
	// the servers whose copy is not up to date.
	Leader string
	Behind []Replica
	// Messages are how many it has.
	Messages uint64
	// Clock is what the server's clock showed at Asked by this machine's, known to
	// within Within. A zero Clock means that the server did not say.
	Clock, Asked time.Time
	Within       time.Duration
}

// Replica is a server with a copy of a stream that is not up to date.
type Replica struct {
	Server  string
	Offline bool
	Lag     uint64 // operations
}

// StampedTick is a tick and when a server stored it, by that server's clock.
type StampedTick struct {
	events.Tick

	Stored time.Time
}

// StampedFact says when a fact of POS_SESSIONS happened by the clock of its source, a
// recorder, and when a server stored it by the server's.
type StampedFact struct {
	Source       string
	Time, Stored time.Time
}

// Inspect looks at the log without changing anything. Replicas 0 of the configuration
// means as many as POS_SESSIONS has. The user needs $JS.API.INFO,
// $JS.API.STREAM.INFO.*, $JS.API.STREAM.MSG.GET.* and $JS.API.CONSUMER.LIST.*; the
// error wraps ErrDenied without them, and eventlog.ErrUnavailable if JetStream does
// not answer.
func Inspect(ctx context.Context, conn *bus.Conn, config Config) (*Inspection, error) {
	l := &Log{js: conn.JetStream()}
	account, err := l.account(ctx)
	if err != nil {
		return nil, err
	}
	found := &Inspection{Domain: account.Domain, Stored: int64(account.Store), Limit: account.Limits.MaxStore}
	if found.Limit == 0 { // the limits are those of tiers, by replicas
		found.Limit = -1
	}
	infos := map[string]*jetstream.StreamInfo{}
	for _, want := range config.StreamConfigs() {
		asked := time.Now()
		info, err := l.lookUp(ctx, want.Name)
		if err != nil {
			return nil, err
		}
		infos[want.Name] = info
		found.Streams = append(found.Streams, inspected(want.Name, info, asked, time.Since(asked)))
	}
	if sessions := infos[events.StreamSessions]; config.Replicas == 0 && sessions != nil {
		config.Replicas = sessions.Config.Replicas
	}
	for i, want := range config.StreamConfigs() {
		if info := infos[want.Name]; info != nil {
			found.Streams[i].Differences = differences(info.Config, want)
		}
	}
	if infos[events.StreamSessions] != nil {
		if found.Unread, err = l.unread(ctx); err != nil {
			return nil, err
		}
	}
	return found, l.stamps(ctx, found, infos)
}

// maxConsumers is how many consumers Inspect looks at: a page of the server's.
const maxConsumers = 256

func (l *Log) unread(ctx context.Context) ([]Unread, error) {
	ctx, cancel := bounded(ctx, readTimeout)
	defer cancel()
	stream, err := l.js.Stream(ctx, events.StreamSessions)
	if err != nil {
		return nil, unavailable("look up stream "+events.StreamSessions, err)
	}
	var found []Unread
	seen, consumers := 0, stream.ListConsumers(ctx)
	for info := range consumers.Info() {
		if info.Config.Durable != "" && info.NumPending > 0 && info.NumWaiting == 0 && !info.PushBound {
			found = append(found, Unread{Name: info.Name, Pending: info.NumPending})
		}
		seen++
		if seen == maxConsumers {
			break // the end of ctx ends the list
		}
	}
	if err := l.asked("CONSUMER.LIST."+events.StreamSessions, consumers.Err()); err != nil {
		return nil, fmt.Errorf("list the consumers of %s: %w", events.StreamSessions, err)
	}
	return found, nil
}

func (l *Log) account(ctx context.Context) (*jetstream.AccountInfo, error) {
	ctx, cancel := bounded(ctx, readTimeout)
	defer cancel()
	account, err := l.js.AccountInfo(ctx)
	if err = l.asked("INFO", err); errors.Is(err, ErrDenied) {
		return nil, fmt.Errorf("look up the account: %w", err)
	}
	if err != nil {
		return nil, unavailable("look up the account", err)
	}
	return account, nil
}

func inspected(name string, info *jetstream.StreamInfo, asked time.Time, took time.Duration) Inspected {
	if info == nil {
		return Inspected{Name: name, Missing: true}
	}
	s := Inspected{
		Name: name, Replicas: max(info.Config.Replicas, 1),
		Messages: info.State.Msgs,
		Clock:    info.TimeStamp, Asked: asked.Add(took / 2), Within: took / 2,
	}
	if info.Cluster == nil {
		return s
	}
	s.Cluster, s.Leader = info.Cluster.Name, info.Cluster.Leader
	for _, peer := range info.Cluster.Replicas {
		if peer.Offline || !peer.Current {
			s.Behind = append(s.Behind, Replica{Server: peer.Name, Offline: peer.Offline, Lag: peer.Lag})
		}
	}
	return s
}

// stamps finds the newest tick and the newest fact. A stream that is missing has none.
func (l *Log) stamps(ctx context.Context, found *Inspection, infos map[string]*jetstream.StreamInfo) error {
	if infos[events.StreamRevocations] != nil {
		last, err := l.fromLeader(ctx, events.StreamRevocations, getRequest{LastFor: events.SubjectTick})
		if err != nil && !errors.Is(err, eventlog.ErrNotFound) {
			return l.asked("STREAM.MSG.GET."+events.StreamRevocations, err)
		}
		if err == nil {
			tick, err := events.DecodeTick(last.Data)
			if err != nil {
				return err
			}
			found.Tick = &StampedTick{Tick: tick, Stored: last.Time}
		}
	}
	sessions := infos[events.StreamSessions]
	if sessions == nil || sessions.State.Msgs == 0 {
		return nil
	}
	last, err := l.fromLeader(ctx, events.StreamSessions, getRequest{Sequence: sessions.State.LastSeq})
	if err != nil {
		return l.asked("STREAM.MSG.GET."+events.StreamSessions, err)
	}
	at, err := time.Parse(time.RFC3339Nano, last.Header.Get(events.HeaderTime))
	if err == nil { // else it is not a fact, and for the quarantine
		found.Fact = &StampedFact{Source: last.Header.Get(events.HeaderSource), Time: at, Stored: last.Time}
	}
	return nil
}
