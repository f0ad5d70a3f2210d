-- Forgets up to $2 sessions that ended or expired before $1, the oldest first,
-- and stubs that old, and returns their users, once for each session. A session
-- that nobody ended was used last at last_active, whatever its expiry says.
WITH old AS (
    (
        SELECT tenant, user_id, session FROM sessions
        WHERE end_sequence > 0 AND end_at < $1
        ORDER BY end_at
        LIMIT $2
    )
    UNION ALL
    (
        SELECT tenant, user_id, session FROM sessions
        WHERE end_sequence = 0 AND expires < $1 AND last_active < $1
        ORDER BY expires
        LIMIT $2
    )
    LIMIT $2
)
DELETE FROM sessions s
USING old
WHERE s.tenant = old.tenant AND s.user_id = old.user_id AND s.session = old.session
RETURNING s.tenant, s.user_id
