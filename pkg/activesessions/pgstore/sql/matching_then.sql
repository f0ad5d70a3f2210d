-- Users who match a filter and were active at a past moment, $2, of tenant $1, and how
-- many they are: a page of $3 after place $4 and user $5. $6 are the filter's characters
-- and pairs, which the index knows, and $7 its pattern. At most $8 are looked at, and
-- the second number says how many were; if they are so many, the rest is worth nothing.
WITH matching AS MATERIALIZED (
    SELECT user_id, username, display_name, avatar_url
    FROM users
    WHERE tenant = $1 AND grams(search) @> $6 AND search LIKE $7
    LIMIT $8
),
active AS MATERIALIZED (
    SELECT m.*, a.*
    FROM matching m
    CROSS JOIN LATERAL (
        SELECT count(*) AS sessions, max(least(last_active, $2)) AS last_active, max(created) AS place
        FROM sessions s
        WHERE tenant = $1 AND s.user_id = m.user_id AND login_sequence > 0 AND created <= $2 AND stopped > $2
    ) a
    WHERE a.sessions > 0
),
totals AS (
    SELECT (SELECT count(*) FROM matching) AS looked, (SELECT count(*) FROM active) AS users
)
SELECT t.users, t.looked, p.*
FROM totals t
LEFT JOIN LATERAL (
    SELECT user_id, username, display_name, avatar_url, place, sessions, last_active
    FROM active
    WHERE place <= $4 AND (place < $4 OR user_id > $5)
    ORDER BY place DESC, user_id
    LIMIT $3
) p ON true
ORDER BY p.place DESC, p.user_id
