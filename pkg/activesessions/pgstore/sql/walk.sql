-- As users.sql, the users who match pattern $7, if there are $3 among the next $8
-- of the list; otherwise none.
WITH walked AS MATERIALIZED (
    SELECT w.user_id, w.place
    FROM (
        SELECT p.user_id, p.place, p.search
        FROM places p
        WHERE p.tenant = $1 AND p.listed AND p.born <= $6
            AND p.place <= $4 AND (p.place < $4 OR p.user_id > $5)
        ORDER BY p.place DESC, p.user_id
        LIMIT $8
    ) w
    WHERE w.search LIKE $7
    ORDER BY w.place DESC, w.user_id
    LIMIT $3
)
SELECT l.user_id, u.username, u.display_name, u.avatar_url, l.place, o.sessions, o.last_active
FROM (
    SELECT user_id, place FROM walked
    UNION ALL
    (
        SELECT p.user_id, p.place
        FROM past_places p
        WHERE p.tenant = $1 AND p.born <= $6 AND p.died > $6 AND $6 < (SELECT version FROM state)
            AND p.place <= $4 AND (p.place < $4 OR p.user_id > $5)
            AND (SELECT n.search FROM places n WHERE n.tenant = $1 AND n.user_id = p.user_id) LIKE $7
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
WHERE (SELECT count(*) FROM walked) = $3
ORDER BY l.place DESC, l.user_id
