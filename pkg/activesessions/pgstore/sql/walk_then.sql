-- The next sign-ins after place $4 and user $5 in the list of a past moment, $2, of
-- tenant $1, at most $3: each beside its user and what was active of them. The
-- user's place is the newest of their sign-ins; at the others there are no sessions.
began AS (
    SELECT DISTINCT place, user_id
    FROM classes c
    CROSS JOIN LATERAL (
        SELECT DISTINCT created AS place, user_id
        FROM sessions s
        WHERE tenant = $1 AND s.span = c.span AND login_sequence > 0
            AND created <= least($2, $4::bigint) AND created > $2 - c.longest AND stopped > $2
            AND (created < $4 OR user_id > $5)
        ORDER BY created DESC, user_id
        LIMIT $3
    ) s
    ORDER BY place DESC, user_id
    LIMIT $3
),
standing AS (
    SELECT n.user_id, a.*
    FROM (SELECT DISTINCT user_id FROM began) n
    CROSS JOIN LATERAL (
        SELECT count(*) AS sessions, max(least(last_active, $2)) AS last_active, max(created) AS place
        FROM sessions s
        WHERE tenant = $1 AND s.user_id = n.user_id AND login_sequence > 0 AND created <= $2 AND stopped > $2
    ) a
)
SELECT b.user_id, u.username, u.display_name, u.avatar_url, b.place,
    CASE WHEN b.place = a.place THEN a.sessions ELSE 0 END, a.last_active
FROM began b
JOIN standing a ON a.user_id = b.user_id
JOIN users u ON u.tenant = $1 AND u.user_id = b.user_id
ORDER BY b.place DESC, b.user_id
