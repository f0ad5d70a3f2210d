-- How many users and sessions a tenant has now: what the summaries say, as of the
-- horizon $2, less what expired between then and now, $3. $1 tenant.
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
    users - (SELECT count(*) FROM gone),
    sessions - (SELECT coalesce(sum(sessions), 0)::bigint FROM expired)
FROM tenants
WHERE tenant = $1
