-- Users in the order of the list, from after place $4 and user $5, with what is
-- open of them now: $1 tenant, $2 now, $3 how many. The list is that of version
-- $6: users who moved since stand where they stood. Sessions may have expired
-- since the horizon, so some users may have none.
SELECT l.user_id, u.username, u.display_name, u.avatar_url, l.place, o.sessions, o.last_active
FROM (
    (
        SELECT p.user_id, p.place
        FROM places p
        WHERE p.tenant = $1 AND p.listed AND p.born <= $6
            AND p.place <= $4 AND (p.place < $4 OR p.user_id > $5)
        ORDER BY p.place DESC, p.user_id
        LIMIT $3
    )
    UNION ALL
    (
        SELECT p.user_id, p.place
        FROM past_places p
        WHERE p.tenant = $1 AND p.born <= $6 AND p.died > $6 AND $6 < (SELECT version FROM state)
            AND p.place <= $4 AND (p.place < $4 OR p.user_id > $5)
        ORDER BY p.place DESC, p.user_id
        LIMIT $3
    )
    ORDER BY place DESC, user_id
    LIMIT $3
) l
JOIN users u ON u.tenant = $1 AND u.user_id = l.user_id
CROSS JOIN LATERAL (
    SELECT count(*) AS sessions, coalesce(max(s.last_active), 0) AS last_active
    FROM sessions s
    WHERE s.tenant = $1 AND s.user_id = l.user_id
        AND s.login_sequence > 0 AND s.end_sequence = 0 AND s.expires > $2
) o
ORDER BY l.place DESC, l.user_id
