package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/commands"
)

const (
	answersBucket = "POSSE_IDEMPOTENCY"
	answersTTL    = 24 * time.Hour
)

// answers keeps what commands with an idempotency key were answered. It is a
// convenience: what is lost here, and what was never stored because a process
// died in between, is found in the facts by the command's id.
type answers struct {
	bus    *bus.Conn
	logger *slog.Logger

	mu     sync.Mutex
	bucket *bus.Bucket
}

type storedAnswer struct {
	Fingerprint string         `json:"fingerprint"`
	Answer      commands.Ended `json:"answer"`
}

// open opens the bucket at first use, so that a recorder starts without NATS.
func (a *answers) open(ctx context.Context) (*bus.Bucket, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bucket != nil {
		return a.bucket, nil
	}
	var err error
	a.bucket, err = a.bus.KeyValue(ctx, answersBucket, answersTTL)
	return a.bucket, err
}

func (a *answers) get(ctx context.Context, key string) (answer storedAnswer, found bool) {
	if a.bus == nil {
		return answer, false
	}
	data, err := a.read(ctx, key)
	if err == nil {
		err = json.Unmarshal(data, &answer)
	}
	if err != nil && !errors.Is(err, bus.ErrKeyNotFound) {
		a.logger.WarnContext(ctx, "stored answer cannot be read", slog.Any("error", err))
	}
	return answer, err == nil
}

func (a *answers) read(ctx context.Context, key string) ([]byte, error) {
	bucket, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	return bucket.Get(ctx, key)
}

func (a *answers) put(ctx context.Context, key string, answer storedAnswer) {
	if a.bus == nil {
		return
	}
	data, err := json.Marshal(answer)
	if err == nil {
		err = a.write(ctx, key, data)
	}
	if err != nil && !errors.Is(err, bus.ErrExists) {
		a.logger.WarnContext(ctx, "answer cannot be stored", slog.Any("error", err))
	}
}

func (a *answers) write(ctx context.Context, key string, data []byte) error {
	bucket, err := a.open(ctx)
	if err != nil {
		return err
	}
	return bucket.Create(ctx, key, data)
}

// once carries a command out, or answers as it was answered before.
func (r *Recorder) once(
	ctx context.Context, caller commands.Caller, name string, command any,
	do func(ctx context.Context, commandID string) (commands.Ended, error),
) (commands.Ended, error) {
	if caller.IdempotencyKey == "" {
		return do(ctx, newID())
	}
	said, err := fingerprint(name, command)
	if err != nil {
		return commands.Ended{}, err
	}
	key := callerKey(caller)
	if before, found := r.answers.get(ctx, key); found {
		if before.Fingerprint != said {
			return commands.Ended{}, commands.NewError(commands.ReasonIdempotencyReused,
				"the idempotency key was used for a different command")
		}
		return before.Answer, nil
	}
	answer, err := do(ctx, commandID(caller))
	if err == nil {
		r.answers.put(ctx, key, storedAnswer{said, answer})
	}
	return answer, err
}
