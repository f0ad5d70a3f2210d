-- Takes the sessions that expired between two horizons, after $1 and up to $2,
-- out of the totals, and returns the users who had them.
WITH expired AS (
    SELECT tenant, user_id, count(*) AS sessions
    FROM sessions
    WHERE end_sequence = 0 AND login_sequence > 0 AND expires > $1 AND expires <= $2
    GROUP BY tenant, user_id
),
counted AS (
    UPDATE tenants t SET sessions = t.sessions - e.sessions
    FROM (SELECT tenant, sum(sessions) AS sessions FROM expired GROUP BY tenant) e
    WHERE t.tenant = e.tenant
)
SELECT tenant, user_id FROM expired
