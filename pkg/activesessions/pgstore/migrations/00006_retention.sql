-- Tenants keep what ended for as long as each wants to, so what is old is looked for
-- tenant by tenant: by sessions_then, which knows when a session began and when it
-- stopped, and by an index of the few stubs.

-- +goose Up
CREATE INDEX sessions_stubs ON sessions (tenant) WHERE login_sequence = 0;
DROP INDEX sessions_ended;

-- +goose Down
CREATE INDEX sessions_ended ON sessions (end_at) WHERE end_sequence > 0;
DROP INDEX sessions_stubs;
