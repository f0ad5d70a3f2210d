package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/gofrs/flock"
	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/services/auditor/replay"
)

// parquetFormat is the one format that is no text.
const parquetFormat = "parquet"

func auditReplayCommand() *cli.Command {
	return &cli.Command{
		Name:  "replay",
		Usage: "write the history, in the order of the log",
		Description: `The same arguments on the same log give the same bytes. It ends where the log
ended when it began, unless it is to --follow.

   posse audit replay --tenant shop --since 2026-03-01 --until 2026-04-01
   posse audit replay --type session.revoked --cause terminate --format table
   posse audit replay --format parquet --output history/ --state history.state

That it reads is recorded first, which ` + "`posse audit trail`" + ` shows; if that fails,
nothing is read.

Formats: ndjson (one JSON object a line, the events as their schemas have them),
table (for people), csv (safe in spreadsheets), parquet (a directory of
tenant=…/date=…/part-….parquet), ocsf (class 3002, schema 1.2.0), cef.

With --state, a replay that was interrupted goes on exactly where it stopped when
it is started again with the same arguments: --output then holds what it would
hold without the interruption. On standard output, what a killed replay had
written since it last noted its state comes once more; the sequences tell. When
it had come to its end, starting it again writes what the log stored since.`,
		Flags: flags(auditQueryFlags(),
			[]cli.Flag{toggle("follow", "go on with what the log stores from now on, until interrupted")},
			auditFormatFlags(),
			group("Output",
				text("output", "", "file to write to, new unless there is a --state for it; for parquet a directory"),
				text("state", "", "file that keeps where the replay stands"),
			), auditLogFlags()),
		Action: auditReplay,
	}
}

// auditQueryFlags say which facts to read.
func auditQueryFlags() []cli.Flag {
	return group("Which facts",
		text("since", "", "stored at this moment or later: 2026-03-14 (midnight UTC) or 2026-03-14T09:26:53Z"),
		text("until", "", "stored before this moment"),
		count64("from-seq", "from this sequence of the log on; 0 is the first"),
		text("tenant", "", "of this tenant"),
		text("user", "", "of the user with this id"),
		text("session", "", "of this session"),
		texts("type", "of this type, such as session.revoked; may be repeated"),
		text("cause", "", "revocations for this cause, such as terminate"),
		text("actor", "", "revocations by the user with this id"),
		count64("limit", "at most so many facts; 0 is no limit"),
	)
}

func auditFormatFlags() []cli.Flag {
	return group("Output", text("format", "ndjson", "ndjson, table, csv, parquet, ocsf or cef"))
}

func auditQuery(cmd *cli.Command) (replay.Query, error) {
	query := replay.Query{
		From: cmd.Uint64("from-seq"), Tenant: cmd.String("tenant"), User: cmd.String("user"), Session: cmd.String("session"),
		Cause: events.Cause(cmd.String("cause")), Actor: cmd.String("actor"), Limit: cmd.Uint64("limit"), Follow: cmd.Bool("follow"),
	}
	for _, name := range cmd.StringSlice("type") {
		query.Types = append(query.Types, events.Type(name))
	}
	var err, err2 error
	query.Since, err = auditMoment(cmd, "since")
	query.Until, err2 = auditMoment(cmd, "until")
	return query, errors.Join(err, err2)
}

func auditMoment(cmd *cli.Command, flag string) (time.Time, error) {
	value := cmd.String(flag)
	if value == "" {
		return time.Time{}, nil
	}
	moment, err := replay.ParseMoment(value)
	if err != nil {
		return moment, fmt.Errorf("--%s: %w", flag, err)
	}
	return moment, nil
}

// auditEncoder returns the encoder of a text format.
func auditEncoder(format string) (replay.Encoder, error) {
	switch format {
	case "ndjson":
		return replay.NDJSON{}, nil
	case "table":
		return replay.Table{Plain: plain}, nil
	case "csv":
		return replay.CSV{}, nil
	case "ocsf":
		return replay.OCSF{}, nil
	case "cef":
		return replay.CEF{}, nil
	default:
		return nil, fmt.Errorf("--format: there is no format %q; take ndjson, table, csv, parquet, ocsf or cef", format)
	}
}

func auditReplay(ctx context.Context, cmd *cli.Command) error {
	query, err := auditQuery(cmd)
	if err != nil {
		return err
	}
	var state *replay.StateFile
	if path := cmd.String("state"); path != "" {
		state = &replay.StateFile{Path: path, Format: cmd.String("format")}
		unlock, err := lockState(path)
		if err != nil {
			return err
		}
		defer unlock()
	}
	sink, closeSink, err := auditSink(cmd, query, state)
	if err != nil {
		return err
	}
	err = runReplay(ctx, cmd, replay.Config{Query: query, Sink: sink, State: state})
	return errors.Join(err, closeSink())
}

// lockState keeps two replays from using one state. The lock ends with the process,
// however it ends; its file, beside the state, stays.
func lockState(path string) (unlock func(), err error) {
	lock := flock.New(path + ".lock")
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	if !locked {
		return nil, fmt.Errorf("--state: another replay is using %s; wait for it, or name another file", path)
	}
	return func() { _ = lock.Unlock() }, nil
}

// auditSink opens what the flags say to write to.
func auditSink(cmd *cli.Command, query replay.Query, state *replay.StateFile) (sink replay.Sink, closeSink func() error, err error) {
	output := cmd.String("output")
	nothing := func() error { return nil }
	if cmd.String("format") == parquetFormat {
		return replay.NewParquet(output), nothing, auditCheckParquet(output, query, state)
	}
	encoder, err := auditEncoder(cmd.String("format"))
	if err != nil {
		return nil, nil, err
	}
	if output == "" {
		return replay.NewLines(encoder, cmd.Root().Writer), nothing, nil
	}
	file, err := auditFile(output, state)
	if err != nil {
		return nil, nil, err
	}
	return replay.NewFileLines(encoder, file), file.Close, nil
}

// auditFile opens a file that is new, or empty, or that a state is about.
func auditFile(path string, state *replay.StateFile) (*os.File, error) {
	begun, err := auditBegun(state)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !begun && info.Size() > 0 {
		err = fmt.Errorf("%s exists, and no --state says that it is of this replay; delete it or name another", path)
	}
	if err != nil {
		return nil, fmt.Errorf("--output: %w", errors.Join(err, file.Close()))
	}
	return file, nil
}

func auditBegun(state *replay.StateFile) (bool, error) {
	if state == nil {
		return false, nil
	}
	begun, err := state.Exists()
	if err != nil {
		return false, fmt.Errorf("--state: %w", err)
	}
	return begun, nil
}

func auditCheckParquet(directory string, query replay.Query, state *replay.StateFile) error {
	if directory == "" {
		return errors.New("--format parquet needs --output: the directory to write to")
	}
	if query.Follow {
		return errors.New("--format parquet writes files as a whole and cannot --follow; start it again with --state instead")
	}
	begun, err := auditBegun(state)
	if err != nil || begun {
		return err
	}
	entries, err := os.ReadDir(directory)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty, and no --state says that it is of this replay; empty it or name another", directory)
	}
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	return nil
}

// runReplay connects, replays and shows how far it is.
func runReplay(ctx context.Context, cmd *cli.Command, config replay.Config) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(replay.GCPercent)
	}
	log, done, err := openLogOnce(ctx, cmd)
	if err != nil {
		return err
	}
	defer done()
	bar := newProgressBar(cmd, config.Query.Follow)
	config.Log, config.Progress = log, bar.show
	prepared, err := replay.Prepare(ctx, config)
	if err != nil {
		return err
	}
	if err := noteRead(ctx, log, config.Query, cmd.String("format")); err != nil {
		return err
	}
	reached, err := prepared.Run(ctx)
	bar.clear()
	if err != nil && ctx.Err() != nil {
		return interrupted(cmd, reached)
	}
	return err
}

func interrupted(cmd *cli.Command, done replay.Progress) error {
	text := fmt.Sprintf("interrupted at sequence %d after %s", done.At, count(int(done.Written), "fact"))
	if cmd.String("state") == "" {
		return errors.New(text + "; with --state it could be resumed")
	}
	return errors.New(text + "; the same command goes on from there")
}
