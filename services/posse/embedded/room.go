package embedded

import (
	"context"
	"fmt"
	"math"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/posse-pos/posse/pkg/eventlog"
)

var _ eventlog.Gauge = (*Server)(nil)

// Room is what is left of the server's storage, and of the file system that it lies
// on, which others may fill too. Errors: eventlog.ErrUnavailable.
func (s *Server) Room(context.Context) (eventlog.Room, error) {
	info, err := s.nats.Jsz(&server.JSzOptions{})
	if err != nil {
		return eventlog.Room{}, fmt.Errorf("%w: ask the NATS inside how full its storage is: %w", eventlog.ErrUnavailable, err)
	}
	used := int64(min(info.Store, math.MaxInt64))
	storage := eventlog.Room{Left: max(info.Config.MaxStore-used, 0), Where: "the storage of the NATS inside"}
	free, known, err := free(s.dir)
	if err != nil {
		return eventlog.Room{}, fmt.Errorf("%w: look how full the file system of %q is: %w", eventlog.ErrUnavailable, s.dir, err)
	}
	if !known {
		return storage, nil
	}
	return eventlog.Least(storage, eventlog.Room{Left: free, Where: "the file system of " + s.dir}), nil
}
