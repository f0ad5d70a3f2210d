package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/events"
)

// countdown closes a channel after so many counts.
type countdown struct {
	mu   sync.Mutex
	left int
	done chan struct{}
}

func (c *countdown) expect(n int) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.done = n, make(chan struct{})
	return c.done
}

func (c *countdown) count() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left--
	if c.left == 0 {
		close(c.done)
	}
}

func (c *countdown) missing() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

// steadily does things for a while at a rate.
func steadily(ctx context.Context, lasting time.Duration, perSecond float64, do func(i int) error) error {
	ticker := time.NewTicker(tillTick)
	defer ticker.Stop()
	began := time.Now()
	for i := 0; time.Since(began) < lasting; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		for due := int(perSecond * time.Since(began).Seconds()); i < due; i++ {
			if err := do(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// touch stores the activity of a session, as a gateway does.
func (r *busRig) touch(i int) error {
	at := time.Now()
	m, err := events.Encode(events.Envelope{
		ID: fmt.Sprint("fleet-touch-", i), Source: "/posse/bench", Time: at,
		Event: events.Touched{
			Key:            events.Key{Tenant: tenant, User: "u" + strconv.Itoa(i%5000), Session: "s" + strconv.Itoa(i%10000)},
			EventTimestamp: events.TimestampOf(at), Personal: events.DevicePersonal{IP: loginDevice.IP, UserAgent: loginDevice.UserAgent},
		},
	})
	if err != nil {
		return err
	}
	_, err = r.conn.JetStream().PublishMsgAsync(&nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
	return err
}
