package pgstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/pkg/device"
)

// Devices implements activesessions.Writer.
func (s *Store) Devices(ctx context.Context, version string, hashes []string) (map[string]device.Device, error) {
	known := make(map[string]device.Device, len(hashes))
	if len(hashes) == 0 {
		return known, nil
	}
	var hash, text string
	const sql = "SELECT hash, device FROM devices WHERE version = $1 AND hash = ANY($2)"
	found, err := s.pool.Query(ctx, sql, toText(version), toTexts(hashes))
	if err != nil {
		return nil, fmt.Errorf("pgstore: devices: %w", err)
	}
	_, err = pgx.ForEachRow(found, []any{&hash, &text}, func() error {
		var d device.Device
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return fmt.Errorf("device %s: %w", hash, err)
		}
		known[hash] = d
		if version == device.Version {
			s.devices.Add(hash, d)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("pgstore: devices: %w", err)
	}
	return known, nil
}

const learnSQL = `
	INSERT INTO devices (hash, version, device)
	SELECT hash, $2, device FROM unnest($1::text[], $3::text[]) AS d (hash, device)
	ON CONFLICT (hash) DO UPDATE SET version = excluded.version, device = excluded.device
	WHERE (devices.version, devices.device) <> (excluded.version, excluded.device)`

// learn queues what keeps what the parser made of devices, in the transaction of
// the logins that brought them.
func learn(statements *pgx.Batch, devices map[string]device.Device) error {
	if len(devices) == 0 {
		return nil
	}
	hashes, texts := make([]string, 0, len(devices)), make([]string, 0, len(devices))
	for hash, d := range devices {
		text, err := encodeJSON(d)
		if err != nil {
			return err
		}
		hashes, texts = append(hashes, toText(hash)), append(texts, text)
	}
	statements.Queue(learnSQL, hashes, device.Version, texts)
	return nil
}
