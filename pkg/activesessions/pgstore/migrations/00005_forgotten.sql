-- A user is forgotten: what rows say about the person is blank if the session began
-- before that, see activesessions.Session.Forget. Sessions are kept otherwise.

-- +goose Up

-- The sequence of the last user.forgotten of a user, as long as they have sessions.
CREATE TABLE forgotten (
    tenant   text COLLATE "C" NOT NULL,
    user_id  text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (tenant, user_id)
);

-- The greatest of them. Facts come in the order of their sequences, so nearly never
-- is one before it, and writers need not ask who was forgotten.
ALTER TABLE state ADD COLUMN forgotten bigint NOT NULL DEFAULT 0;

-- first_sequence is 0 where only touches are known, and in rows that are older than
-- the column: there the login and the end tell it.
ALTER TABLE sessions
    ADD COLUMN first_sequence bigint  NOT NULL DEFAULT 0,
    ADD COLUMN forgotten      boolean NOT NULL DEFAULT false;

-- Samples of columns are kept with the statistics, where nobody would think of them.
-- No condition is on these.
ALTER TABLE sessions
    ALTER COLUMN username     SET STATISTICS 0,
    ALTER COLUMN display_name SET STATISTICS 0,
    ALTER COLUMN avatar_url   SET STATISTICS 0,
    ALTER COLUMN client       SET STATISTICS 0,
    ALTER COLUMN device       SET STATISTICS 0,
    ALTER COLUMN user_agent   SET STATISTICS 0,
    ALTER COLUMN ip           SET STATISTICS 0,
    ALTER COLUMN ending       SET STATISTICS 0;
ALTER TABLE users
    ALTER COLUMN username     SET STATISTICS 0,
    ALTER COLUMN display_name SET STATISTICS 0,
    ALTER COLUMN avatar_url   SET STATISTICS 0;

-- +goose Down
ALTER TABLE users
    ALTER COLUMN username     SET STATISTICS -1,
    ALTER COLUMN display_name SET STATISTICS -1,
    ALTER COLUMN avatar_url   SET STATISTICS -1;
ALTER TABLE sessions
    ALTER COLUMN username     SET STATISTICS -1,
    ALTER COLUMN display_name SET STATISTICS -1,
    ALTER COLUMN avatar_url   SET STATISTICS -1,
    ALTER COLUMN client       SET STATISTICS -1,
    ALTER COLUMN device       SET STATISTICS -1,
    ALTER COLUMN user_agent   SET STATISTICS -1,
    ALTER COLUMN ip           SET STATISTICS -1,
    ALTER COLUMN ending       SET STATISTICS -1;
ALTER TABLE sessions DROP COLUMN first_sequence, DROP COLUMN forgotten;
ALTER TABLE state DROP COLUMN forgotten;
DROP TABLE forgotten;
