package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Inspection is what a PostgreSQL server says of itself.
type Inspection struct {
	// Version is the server's, such as 150004 for 15.4; VersionText is as it says it.
	Version     int
	VersionText string
	// Fsync and SynchronousCommit are the settings of the same names.
	Fsync, SynchronousCommit string
	// Clock is what the server's clock showed at Asked by this machine's, known to
	// within Within.
	Clock, Asked time.Time
	Within       time.Duration
}

// Inspect asks a server, and changes nothing in the database. The error does not
// show the password in the URL.
func Inspect(ctx context.Context, url string) (found Inspection, err error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return found, fmt.Errorf("pgstore: database URL: %w", err) // pgx leaves the password out
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return found, fmt.Errorf("pgstore: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	const settings = `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
		current_setting('fsync'), current_setting('synchronous_commit')`
	if err := conn.QueryRow(ctx, settings).
		Scan(&found.Version, &found.VersionText, &found.Fsync, &found.SynchronousCommit); err != nil {
		return found, fmt.Errorf("pgstore: %w", err)
	}
	asked := time.Now()
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&found.Clock); err != nil {
		return found, fmt.Errorf("pgstore: %w", err)
	}
	found.Within = time.Since(asked) / 2
	found.Asked = asked.Add(found.Within)
	return found, nil
}
