-- Users and their sessions at a past moment, $2, of tenant $1. The last activity of
-- a session that was used later is not known any more; the newest sign-in comes
-- first.
active AS (
    SELECT user_id, count(*) AS sessions, max(least(last_active, $2)) AS last_active, max(created) AS place
    FROM classes c
    JOIN LATERAL (
        SELECT user_id, last_active, created
        FROM sessions s
        WHERE tenant = $1 AND s.span = c.span AND login_sequence > 0
            AND created <= $2 AND created > $2 - c.longest AND stopped > $2 /* user */
        OFFSET 0 -- class by class, each by the index; as a join it would read all
    ) s ON true
    GROUP BY user_id
),
