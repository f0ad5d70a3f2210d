-- Users and their sessions now, $2, of tenant $1, for a reader whose clock is so
-- far behind that the summaries left out what for it is still open.
WITH active AS (
    SELECT user_id, count(*) AS sessions, max(last_active) AS last_active, max(last_active) AS place
    FROM sessions
    WHERE tenant = $1 AND login_sequence > 0 AND end_sequence = 0 AND expires > $2 /* user */
    GROUP BY user_id
),
