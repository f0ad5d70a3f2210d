-- A past moment is answered by an index that bounds both ends of a session. Those
-- that were active then began before it and stopped after it; an index on one of
-- these leaves all of the other side to be read, months of it. So sessions are kept
-- apart by how long they lasted, in classes of which each is four times as long as
-- the one before: of a class only those count that began within its longest life
-- before the moment, and at least about one in four of them was active then.

-- +goose Up

-- The shortest life in each class but the first, in milliseconds: a minute, four
-- minutes, and so on to 31 years.
CREATE FUNCTION spans() RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT ARRAY[60000, 240000, 960000, 3840000, 15360000, 61440000, 245760000, 983040000,
        3932160000, 15728640000, 62914560000, 251658240000, 1006632960000]::bigint[]
$$;

-- Touches change neither, nor what they are made of: their updates stay HOT.
ALTER TABLE sessions
    ADD COLUMN stopped bigint NOT NULL GENERATED ALWAYS AS ( -- when it ended or, by itself, ends
        CASE WHEN end_sequence > 0 THEN least(end_at, expires) ELSE expires END
    ) STORED,
    ADD COLUMN span integer NOT NULL GENERATED ALWAYS AS ( -- the class of its life
        width_bucket(CASE WHEN end_sequence > 0 THEN least(end_at, expires) ELSE expires END - created, spans())
    ) STORED;

-- With stopped in the key, what was over is passed by in the index, without a look
-- at the row.
CREATE INDEX sessions_then ON sessions (tenant, span, created DESC, user_id, stopped) WHERE login_sequence > 0;
-- A user's sessions at a past moment, past all those that were over.
CREATE INDEX sessions_of_then ON sessions (tenant, user_id, created, stopped) WHERE login_sequence > 0;
DROP INDEX sessions_begun;

-- Nobody asks for it any more. Processes of the version before still write it.
ALTER TABLE tenants ALTER COLUMN longest SET DEFAULT 0;

-- +goose Down
UPDATE tenants t SET longest = coalesce((
    SELECT max(expires - created) FROM sessions s WHERE s.tenant = t.tenant AND s.login_sequence > 0
), 0);
ALTER TABLE tenants ALTER COLUMN longest DROP DEFAULT;
CREATE INDEX sessions_begun ON sessions (tenant, created) WHERE login_sequence > 0;
DROP INDEX sessions_then, sessions_of_then;
ALTER TABLE sessions DROP COLUMN span, DROP COLUMN stopped;
DROP FUNCTION spans;
