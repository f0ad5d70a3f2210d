-- Forgets up to $3 sessions of tenant $1 that ended or expired before $2, and stubs
-- that old, and returns their users, once for each session. A session that nobody
-- ended was used last at last_active, whatever its expiry says.
--
-- A session that stopped before the moment began the shortest life of its class
-- before it, or earlier, so the index finds them without a look at what is kept.
old AS (
    (
        SELECT o.user_id, o.session
        FROM ages a
        CROSS JOIN LATERAL (
            SELECT s.user_id, s.session
            FROM sessions s
            WHERE s.tenant = $1 AND s.span = a.span AND s.login_sequence > 0
                AND s.created < $2 - a.shortest AND s.stopped < $2
                AND CASE WHEN s.end_sequence > 0 THEN s.end_at ELSE s.last_active END < $2
            ORDER BY s.created
            LIMIT $3
        ) o
        LIMIT $3
    )
    UNION ALL
    (
        SELECT s.user_id, s.session
        FROM sessions s
        WHERE s.tenant = $1 AND s.login_sequence = 0
            AND CASE WHEN s.end_sequence > 0 THEN s.end_at ELSE greatest(s.expires, s.last_active) END < $2
        LIMIT $3
    )
    LIMIT $3
)
DELETE FROM sessions s
USING old
WHERE s.tenant = $1 AND s.user_id = old.user_id AND s.session = old.session
RETURNING s.tenant, s.user_id
