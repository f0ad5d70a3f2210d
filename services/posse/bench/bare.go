package bench

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/posse-pos/posse/events"
)

// bareColumns are those of the read model's sessions that a login fills, the
// bigint ones marked by a colon.
const bareColumns = `tenant user_id session username display_name avatar_url client device user_agent user_agent_at: ip ip_at:
	created: expires: last_active: generation: login_id login_sequence: end_at: end_sequence: ending`

// bare is the limit for the projector: the same rows, into a table of the same
// form and with the same indexes, by one statement a batch on one connection.
type bare struct {
	pool    *pgxpool.Pool
	upsert  string
	batches [][]any // arrays of a batch's columns
}

// newBare takes the rows from a schema that the projector has filled.
func newBare(ctx context.Context, pool *pgxpool.Pool, schema string) (*bare, error) {
	b := &bare{pool: pool}
	names, gathered, unnested := bareStatements()
	b.upsert = "INSERT INTO bare (" + names + ") SELECT " + names + " FROM unnest(" + unnested + ") AS row (" + names + ")" +
		" ON CONFLICT (tenant, user_id, session) DO UPDATE SET last_active = excluded.last_active"
	rows, err := pool.Query(ctx, "SELECT "+gathered+
		" FROM (SELECT "+names+", (row_number() OVER (ORDER BY login_sequence) - 1) / $1 AS batch FROM "+schema+".sessions) AS numbered"+
		" GROUP BY batch ORDER BY batch", bareBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		batch := newColumns()
		if err := rows.Scan(batch...); err != nil {
			return nil, err
		}
		b.batches = append(b.batches, batch)
	}
	return b, rows.Err()
}

func bareStatements() (names, gathered, unnested string) {
	columns := strings.Fields(bareColumns)
	name, gather, unnest := make([]string, 0, len(columns)), make([]string, 0, len(columns)), make([]string, 0, len(columns))
	for i, column := range columns {
		column, isNumber := strings.CutSuffix(column, ":")
		kind := "::text[]"
		if isNumber {
			kind = "::bigint[]"
		}
		name = append(name, column)
		gather = append(gather, "array_agg("+column+")")
		unnest = append(unnest, "$"+strconv.Itoa(i+1)+kind)
	}
	return strings.Join(name, ", "), strings.Join(gather, ", "), strings.Join(unnest, ", ")
}

// newColumns are scanned into, and then sent.
func newColumns() []any {
	var columns []any
	for column := range strings.FieldsSeq(bareColumns) {
		if strings.HasSuffix(column, ":") {
			columns = append(columns, new([]int64))
		} else {
			columns = append(columns, new([]string))
		}
	}
	return columns
}

// round writes all rows anew, and then touches each.
func (b *bare) round(ctx context.Context, touches []events.Envelope, loginRates, touchRates *[]float64) error {
	rate, err := b.fill(ctx, "bench", projected)
	if err != nil {
		return err
	}
	*loginRates = append(*loginRates, rate)
	rate, err = b.write(ctx, bareTouch, touchBatches(touches), projected)
	*touchRates = append(*touchRates, rate)
	return err
}

// fill writes all rows anew, into a table as a schema has it, and returns rows a second.
func (b *bare) fill(ctx context.Context, schema string, rows int) (float64, error) {
	for _, statement := range []string{
		"DROP TABLE IF EXISTS bare", "CREATE TABLE bare (LIKE " + schema + ".sessions INCLUDING ALL)",
		"ALTER TABLE bare SET (fillfactor = 85)",
	} {
		if _, err := b.pool.Exec(ctx, statement); err != nil {
			return 0, err
		}
	}
	return b.write(ctx, b.upsert, b.batches, rows)
}

// write returns rows a second. After the first batch the table gets statistics,
// as the projector's does.
func (b *bare) write(ctx context.Context, sql string, batches [][]any, rows int) (float64, error) {
	var took time.Duration
	for i, batch := range batches {
		start := time.Now()
		if _, err := b.pool.Exec(ctx, sql, batch...); err != nil {
			return 0, err
		}
		took += time.Since(start)
		if i == 0 {
			if _, err := b.pool.Exec(ctx, "ANALYZE bare"); err != nil {
				return 0, err
			}
		}
	}
	return float64(rows) / took.Seconds(), nil
}

const bareTouch = `UPDATE bare SET last_active = touch.last_active, ip = touch.ip, ip_at = touch.last_active
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) AS touch (tenant, user_id, session, ip, last_active)
	WHERE bare.tenant = touch.tenant AND bare.user_id = touch.user_id AND bare.session = touch.session`

func touchBatches(touches []events.Envelope) [][]any {
	var batches [][]any
	for i := 0; i < len(touches); i += bareBatch {
		var tenants, users, sessions, ips []string
		var times []int64
		for _, envelope := range touches[i:min(i+bareBatch, len(touches))] {
			key := envelope.Event.SessionKey()
			tenants, users, sessions = append(tenants, key.Tenant), append(users, key.User), append(sessions, key.Session)
			ips, times = append(ips, loginDevice.IP), append(times, int64(envelope.Event.Occurred()))
		}
		batches = append(batches, []any{tenants, users, sessions, ips, times})
	}
	return batches
}
