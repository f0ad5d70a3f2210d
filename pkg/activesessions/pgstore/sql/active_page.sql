-- The page of them after place $4 and user $5, beside the totals: $3 how many.
matching AS (
    SELECT a.user_id, u.username, u.display_name, u.avatar_url, a.place, a.sessions, a.last_active
    FROM active a
    JOIN users u ON u.tenant = $1 AND u.user_id = a.user_id
    WHERE true /* filter */
),
totals AS (
    SELECT (SELECT count(*) FROM matching) AS users, (SELECT coalesce(sum(sessions), 0)::bigint FROM active) AS sessions
)
SELECT t.users, t.sessions, p.*
FROM totals t
LEFT JOIN LATERAL (
    SELECT *
    FROM matching
    WHERE place <= $4 AND (place < $4 OR user_id > $5)
    ORDER BY place DESC, user_id
    LIMIT $3
) p ON true
ORDER BY p.place DESC, p.user_id
