-- Users who match a filter, with the totals: $1 tenant, $2 the horizon, $3 now, $4
-- the filter's characters and pairs, which the index knows, and $5 its pattern.
--
-- At most $6 are looked at; NULL is all. If there are fewer, every match is known,
-- and the rows are those of users.sql: $7 of them after place $8 and user $9, as of
-- version $10. If not, there is one row without a user.
WITH expired AS (
    SELECT user_id, count(*) AS sessions
    FROM sessions
    WHERE tenant = $1 AND login_sequence > 0 AND end_sequence = 0 AND expires > $2 AND expires <= $3
    GROUP BY user_id
),
gone AS (
    SELECT user_id FROM expired e
    WHERE NOT EXISTS (
        SELECT FROM sessions s
        WHERE s.tenant = $1 AND s.user_id = e.user_id
            AND s.login_sequence > 0 AND s.end_sequence = 0 AND s.expires > $3
    )
),
matching AS MATERIALIZED (
    SELECT user_id, place, born
    FROM users
    WHERE tenant = $1 AND listed AND grams(search) @> $4 AND search LIKE $5
        AND user_id NOT IN (SELECT user_id FROM gone)
    LIMIT $6
),
totals AS (
    SELECT
        (SELECT count(*) FROM matching) AS users,
        sessions - (SELECT coalesce(sum(sessions), 0)::bigint FROM expired) AS sessions
    FROM tenants
    WHERE tenant = $1
)
SELECT t.users, t.sessions, l.*
FROM totals t
LEFT JOIN LATERAL (
    SELECT l.user_id, u.username, u.display_name, u.avatar_url, l.place, o.sessions, o.last_active
    FROM (
        (
            SELECT m.user_id, m.place
            FROM matching m
            WHERE m.born <= $10 AND m.place <= $8 AND (m.place < $8 OR m.user_id > $9)
            ORDER BY m.place DESC, m.user_id
            LIMIT $7
        )
        UNION ALL
        (
            SELECT p.user_id, p.place
            FROM past_places p
            WHERE p.tenant = $1 AND p.born <= $10 AND p.died > $10 AND $10 < (SELECT version FROM state)
                AND p.place <= $8 AND (p.place < $8 OR p.user_id > $9)
                AND p.user_id IN (SELECT user_id FROM matching)
            ORDER BY p.place DESC, p.user_id
            LIMIT $7
        )
        ORDER BY place DESC, user_id
        LIMIT $7
    ) l
    JOIN users u ON u.tenant = $1 AND u.user_id = l.user_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS sessions, coalesce(max(s.last_active), 0) AS last_active
        FROM sessions s
        WHERE s.tenant = $1 AND s.user_id = l.user_id
            AND s.login_sequence > 0 AND s.end_sequence = 0 AND s.expires > $3
    ) o
    WHERE t.users < $6 OR $6 IS NULL
) l ON true
ORDER BY l.place DESC, l.user_id
