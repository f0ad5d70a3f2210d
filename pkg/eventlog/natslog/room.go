package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// SubjectStorage is where the servers say how full their storage is, if the operator
// lets them: deployments/nats/accounts.conf has them answer there what they answer the
// system account under $SYS.REQ.SERVER.PING.JSZ.
const SubjectStorage = "pos.v1.storage"

// deniedFor is how long servers that may not be asked are not asked again: they log
// each attempt.
const deniedFor = 10 * time.Minute

// Gauge looks how much room a log has. One caller at a time may ask.
type Gauge struct {
	conn   *bus.Conn
	log    *Log
	denied time.Time // until when servers are not asked
}

var _ eventlog.Gauge = (*Gauge)(nil)

// NewGauge makes the gauge of a log that was opened on a connection.
func NewGauge(conn *bus.Conn, log *Log) *Gauge { return &Gauge{conn: conn, log: log} }

// Room is the least of what the account may still store and of what is left of the
// storage of each server with a copy of POS_SESSIONS. One of the two is enough; the
// servers do not say how much of the disk others have left them.
func (g *Gauge) Room(ctx context.Context) (eventlog.Room, error) {
	info, err := g.log.info(ctx, events.StreamSessions)
	if err != nil {
		return eventlog.Room{}, err
	}
	account, err := g.log.account(ctx)
	if err != nil {
		return eventlog.Room{}, err
	}
	room := roomOfAccount(account, info.Config.Replicas)
	answers, err := g.askServers(ctx)
	if err != nil {
		return eventlog.Room{}, unavailable("ask how full the storage is", err)
	}
	for _, answer := range answers {
		room = eventlog.Least(room, roomOfServer(answer, info))
	}
	if room.Left == math.MaxInt64 {
		return eventlog.Room{}, fmt.Errorf("%w: the NATS account has no max_file, and no server answers on %s "+
			"as deployments/nats/accounts.conf has it", eventlog.ErrRoomUnknown, SubjectStorage)
	}
	return room, nil
}

func (g *Gauge) askServers(ctx context.Context) ([][]byte, error) {
	if time.Now().Before(g.denied) {
		return nil, nil
	}
	answers, err := g.conn.Survey(ctx, SubjectStorage, []byte("{}"))
	if errors.Is(err, bus.ErrDenied) {
		g.denied = time.Now().Add(deniedFor)
		return nil, nil
	}
	return answers, err
}

// unlimited is what has no limit that is known.
func unlimited() eventlog.Room { return eventlog.Room{Left: math.MaxInt64} }

// roomOfAccount counts every copy, as the server does. The limits of an account with
// tiers are those of each copy.
func roomOfAccount(account *jetstream.AccountInfo, replicas int) eventlog.Room {
	replicas = max(replicas, 1)
	used, limit, copies := account.Store, account.Limits.MaxStore, int64(replicas)
	if tier, ok := account.Tiers[fmt.Sprintf("R%d", replicas)]; ok {
		used, limit, copies = tier.Store, tier.Limits.MaxStore, 1
	}
	if limit <= 0 {
		return unlimited()
	}
	left := limit - int64(min(used, math.MaxInt64))
	return eventlog.Room{Left: max(left, 0) / copies, Where: "what the NATS account may store"}
}

// roomOfServer reads JSInfo of nats-server 2.15.2. Of a cluster only the servers count
// that have a copy; those whose names are not told all do.
func roomOfServer(answer []byte, info *jetstream.StreamInfo) eventlog.Room {
	var said struct {
		Server struct {
			Name string `json:"name"`
		} `json:"server"`
		Data *struct {
			Disabled bool   `json:"disabled"`
			Storage  uint64 `json:"storage"`
			Config   struct {
				MaxStorage int64 `json:"max_storage"`
			} `json:"config"`
		} `json:"data"`
	}
	if json.Unmarshal(answer, &said) != nil || said.Data == nil || said.Data.Disabled || !hasCopy(said.Server.Name, info) {
		return unlimited()
	}
	left := said.Data.Config.MaxStorage - int64(min(said.Data.Storage, math.MaxInt64))
	return eventlog.Room{Left: max(left, 0), Where: fmt.Sprintf("the JetStream storage of the NATS server %q", said.Server.Name)}
}

func hasCopy(server string, info *jetstream.StreamInfo) bool {
	if info.Cluster == nil || len(info.Cluster.Replicas) == 0 {
		return info.Cluster == nil || info.Cluster.Leader == "" || info.Cluster.Leader == server
	}
	return info.Cluster.Leader == server ||
		slices.ContainsFunc(info.Cluster.Replicas, func(p *jetstream.PeerInfo) bool { return p.Name == server })
}

// isFull reports whether a server refused to store something because there is no room:
// in its account, on the server, or on the disk, which it says in words only.
func isFull(err error) bool {
	answer, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		return false
	}
	switch answer.ErrorCode {
	case codeAccountFull, codeServerFull, codeStorageFull:
		return true
	case codeNotStored:
		return strings.Contains(answer.Description, "no space left") || strings.Contains(answer.Description, "maximum bytes")
	default:
		return false
	}
}

// notStored says why something was not stored: for want of room, or of a server.
func notStored(action string, cause error) error {
	if isFull(cause) {
		return fmt.Errorf("%w: %s: %w", eventlog.ErrFull, action, cause)
	}
	return unavailable(action, cause)
}
