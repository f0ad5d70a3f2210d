-- As totals.sql, of the users that match: a filter reads the summary of users,
-- or the index of what they are searched by.
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
matching AS (
    SELECT u.user_id
    FROM users u
    JOIN places p ON p.tenant = u.tenant AND p.user_id = u.user_id
    WHERE u.tenant = $1 AND p.listed /* filter */
)
SELECT
    (SELECT count(*) FROM matching)
        - (SELECT count(*) FROM gone JOIN matching USING (user_id)),
    sessions - (SELECT coalesce(sum(sessions), 0)::bigint FROM expired)
FROM tenants
WHERE tenant = $1
