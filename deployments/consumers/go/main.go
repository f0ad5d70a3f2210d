// Command consumer reads the history of posse with nothing but NATS's client: as a
// replay from any point, or as a durable consumer that goes on where it stopped.
// docs/audit-consumers.md explains it.
//
//	consumer replay [-seq N | -time T] [-filter SUBJECT]
//	consumer follow [-consumer NAME] -out FILE [-stop]
//
// NATS_URL says where NATS is, and NATS_NKEY names the file with the user's seed.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	stream = "POS_SESSIONS"
	whole  = "pos.v1.session.>" // of its subjects
	page   = 500                // events that are asked for at once
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "consumer:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be undone
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say replay or follow")
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	seq := flags.Uint64("seq", 1, "replay: first `sequence`")
	since := flags.String("time", "", "replay: what was stored from this `moment` on (RFC 3339), instead of -seq")
	filter := flags.String("filter", whole, "replay: `subject` of the events")
	consumer := flags.String("consumer", "audit", "follow: `name` of the durable consumer")
	out := flags.String("out", "", "follow: `file` that the events are appended to")
	end := flags.Bool("stop", false, "follow: end when there is nothing more to come")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	nc, err := connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	switch args[0] {
	case "replay":
		return replay(ctx, nc, request{Seq: max(*seq, 1), Time: *since, Filter: *filter, Batch: page})
	case "follow":
		return follow(ctx, nc, *consumer, *out, *end)
	default:
		return fmt.Errorf("%q is neither replay nor follow", args[0])
	}
}

// connect connects as a user who may hear answers under its own public key alone.
func connect() (*nats.Conn, error) {
	nkey, err := nats.NkeyOptionFromSeed(os.Getenv("NATS_NKEY"))
	if err != nil {
		return nil, fmt.Errorf("NATS_NKEY: %w", err)
	}
	var options nats.Options
	if err := nkey(&options); err != nil {
		return nil, err
	}
	return nats.Connect(os.Getenv("NATS_URL"), nkey, nats.CustomInboxPrefix("_INBOX."+options.Nkey), nats.MaxReconnects(-1))
}

// request asks for a page of the stream.
type request struct {
	Seq    uint64 `json:"seq,omitempty"`
	Time   string `json:"start_time,omitempty"`
	Filter string `json:"next_by_subj"`
	Batch  int    `json:"batch"`
}

// replay writes what the stream holds to standard output, page by page. It makes no
// consumer, so there is nothing to clean up.
func replay(ctx context.Context, nc *nats.Conn, next request) error {
	out := bufio.NewWriter(os.Stdout)
	h := history{out: out, gapless: next.Filter == whole}
	if next.Time != "" {
		next.Seq = 0
	} else {
		h.last = next.Seq - 1
	}
	for {
		more, err := readPage(ctx, nc, next, &h)
		if err != nil || !more {
			return errors.Join(err, out.Flush())
		}
		next.Seq, next.Time = h.last+1, ""
	}
}

// readPage takes one page, and says whether there is another one.
func readPage(ctx context.Context, nc *nats.Conn, ask request, h *history) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := json.Marshal(ask)
	if err != nil {
		return false, err
	}
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return false, err
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := nc.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, body); err != nil {
		return false, err
	}
	for {
		answer, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return false, fmt.Errorf("a page from %d on: %w", ask.Seq, err)
		}
		switch status := answer.Header.Get("Status"); status {
		case "": // an event
		case "204": // the page ends here
			return answer.Header.Get("Nats-Num-Pending") != "0", nil
		case "404": // there is nothing from here on
			return false, nil
		default:
			return false, fmt.Errorf("a page from %d on: %s %s", ask.Seq, status, answer.Header.Get("Description"))
		}
		sequence, err := strconv.ParseUint(answer.Header.Get("Nats-Sequence"), 10, 64)
		if err != nil {
			return false, fmt.Errorf("an answer without Nats-Sequence: %w", err)
		}
		subject, stored := answer.Header.Get("Nats-Subject"), answer.Header.Get("Nats-Time-Stamp")
		if err := h.take(sequence, stored, subject, answer.Header, answer.Data); err != nil {
			return false, err
		}
	}
}

// follow appends to a file what a durable consumer delivers, each event once and in
// order. An event is acknowledged when it is on the disk: killed between the two, the
// next run is given it once more, and knows it by its sequence.
func follow(ctx context.Context, nc *nats.Conn, name, path string, stop bool) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // its name is the user's
	if err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	defer file.Close()
	last, err := lastWritten(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	consumer, err := js.Consumer(ctx, stream, name)
	if err != nil {
		return fmt.Errorf("consumer %s: %w", name, err)
	}
	info := consumer.CachedInfo()
	h := &history{out: file, last: last, gapless: info.Config.FilterSubject == "" && len(info.Config.FilterSubjects) == 0}
	for left := info.NumPending + uint64(info.NumAckPending); left > 0 || !stop; {
		message, err := consumer.Next(jetstream.FetchContext(ctx))
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, nats.ErrTimeout):
			continue
		case err != nil:
			return err
		}
		if left, err = keep(ctx, message, h, file); err != nil {
			return err
		}
	}
	return nil
}

// keep has an event on the disk before it is acknowledged, and returns how many are
// left behind it.
func keep(ctx context.Context, message jetstream.Msg, h *history, file *os.File) (left uint64, err error) {
	meta, err := message.Metadata()
	if err != nil {
		return 0, err
	}
	if meta.NumDelivered > 1 {
		fmt.Fprintf(os.Stderr, "consumer: event %d, delivery %d\n", meta.Sequence.Stream, meta.NumDelivered)
	}
	stored := meta.Timestamp.UTC().Format(time.RFC3339Nano)
	if err := h.take(meta.Sequence.Stream, stored, message.Subject(), message.Headers(), message.Data()); err != nil {
		return 0, err
	}
	if err := file.Sync(); err != nil {
		return 0, err
	}
	return meta.NumPending, message.DoubleAck(ctx)
}

// history writes events as lines of JSON, each once.
type history struct {
	out     io.Writer
	last    uint64 // the sequence of the last line, 0 if none is known
	gapless bool   // every sequence has to come, since nothing is filtered out
}

// event is a line.
type event struct {
	Sequence uint64          `json:"sequence"`
	Stored   string          `json:"stored"`
	Subject  string          `json:"subject"`
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Event    json.RawMessage `json:"event,omitempty"`
	Data     []byte          `json:"data_base64,omitempty"` // of what is no JSON
}

// take writes an event, unless it was written before.
func (h *history) take(sequence uint64, stored, subject string, header nats.Header, data []byte) error {
	if sequence <= h.last {
		return nil
	}
	if h.gapless && h.last > 0 && sequence != h.last+1 {
		return fmt.Errorf("after event %d comes %d: events are missing", h.last, sequence)
	}
	line := event{
		Sequence: sequence, Stored: stored, Subject: subject,
		ID: header.Get("Nats-Msg-Id"), Type: header.Get("ce-type"), Event: data,
	}
	if !json.Valid(data) {
		line.Event, line.Data = nil, data
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		return err
	}
	if _, err := h.out.Write(text.Bytes()); err != nil {
		return err
	}
	h.last = sequence
	return nil
}

// lastWritten returns the sequence in a file's last line, and cuts off half a line
// that a crash left behind it.
func lastWritten(file *os.File) (sequence uint64, err error) {
	text, err := io.ReadAll(file)
	if err != nil {
		return 0, err
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	if err := file.Truncate(int64(len(text))); err != nil {
		return 0, err
	}
	if _, err := file.Seek(0, io.SeekEnd); err != nil || len(text) == 0 {
		return 0, err
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\n'})
	var line event
	err = json.Unmarshal(lines[len(lines)-1], &line)
	return line.Sequence, err
}
