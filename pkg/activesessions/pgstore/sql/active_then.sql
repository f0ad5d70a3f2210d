-- Users and their sessions at a past moment, $2, of tenant $1. No session lived
-- longer than the longest, so those that began earlier need no look. The last
-- activity of a session that was used later is not known any more; the newest
-- sign-in comes first.
WITH active AS (
    SELECT user_id, count(*) AS sessions, max(least(last_active, $2)) AS last_active, max(created) AS place
    FROM sessions
    WHERE tenant = $1 AND login_sequence > 0
        AND created <= $2 AND created > $2 - (SELECT longest FROM tenants WHERE tenant = $1)
        AND expires > $2 AND (end_sequence = 0 OR end_at > $2) /* user */
    GROUP BY user_id
),
