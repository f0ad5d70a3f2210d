-- How many users and sessions were active at a past moment, $2, in tenant $1: among
-- $3 sessions, the first that are found.
found AS (
    SELECT s.user_id
    FROM classes c
    CROSS JOIN LATERAL (
        SELECT user_id
        FROM sessions s
        WHERE tenant = $1 AND s.span = c.span AND login_sequence > 0
            AND created <= $2 AND created > $2 - c.longest AND stopped > $2
        LIMIT $3
    ) s
    LIMIT $3
)
SELECT count(*), coalesce(sum(sessions), 0)::bigint
FROM (SELECT count(*) AS sessions FROM found GROUP BY user_id) u
