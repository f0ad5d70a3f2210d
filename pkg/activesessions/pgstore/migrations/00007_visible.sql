-- A past moment is answered from the index alone where PostgreSQL knows that all rows
-- of a page are visible. VACUUM notes that, and a write takes it back; by default it
-- comes when a fifth of a table changed, which of 13 months of sessions takes weeks. It
-- also frees what was overwritten when a user was forgotten.

-- +goose Up
ALTER TABLE sessions SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);

-- +goose Down
ALTER TABLE sessions RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
