-- As totals.sql, of the users who match pattern $4, up to $5 of them; NULL is all.
-- It reads users one by one and is for filters that many match.
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
)
SELECT
    (
        SELECT count(*)
        FROM (
            SELECT FROM users
            WHERE tenant = $1 AND listed AND search LIKE $4 AND user_id NOT IN (SELECT user_id FROM gone)
            LIMIT $5
        ) matching
    ),
    sessions - (SELECT coalesce(sum(sessions), 0)::bigint FROM expired)
FROM tenants
WHERE tenant = $1
