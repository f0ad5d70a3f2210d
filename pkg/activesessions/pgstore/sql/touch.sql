-- Merges touches into sessions that there are, and moves users in the list when
-- their activity runs a step ahead of their place. No index knows the columns of
-- a session that change here, so these updates are HOT.
--
-- $1..$6 are touches, one for each session; $7 and $8 tenants and their step; $9
-- the horizon, $10 the version of this write, $11 the moment of it.
WITH touched AS (
    UPDATE sessions s SET
        last_active = greatest(s.last_active, t.last_active),
        ip = CASE WHEN NOT s.forgotten AND (t.ip_at, t.ip) > (s.ip_at, s.ip) THEN t.ip ELSE s.ip END,
        ip_at = CASE WHEN s.forgotten THEN s.ip_at ELSE greatest(s.ip_at, t.ip_at) END
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[])
        AS t (tenant, user_id, session, last_active, ip, ip_at)
    WHERE s.tenant = t.tenant AND s.user_id = t.user_id AND s.session = t.session
    RETURNING s.tenant, s.user_id, s.last_active, s.login_sequence > 0 AND s.end_sequence = 0 AND s.expires > $9 AS is_open
),
-- Writers come one after the other, so a row found is where it was.
ahead AS (
    SELECT c.tenant, c.user_id, max(c.last_active) AS last_active, p.ctid AS place_at, p.place, p.born
    FROM touched c
    JOIN unnest($7::text[], $8::bigint[]) AS s (tenant, step) ON s.tenant = c.tenant
    JOIN places p ON p.tenant = c.tenant AND p.user_id = c.user_id
    WHERE c.is_open AND p.listed AND c.last_active > p.place + s.step
    GROUP BY c.tenant, c.user_id, p.ctid, p.place, p.born
),
moved AS (
    UPDATE places p SET place = a.last_active, born = $10
    FROM ahead a
    WHERE p.ctid = a.place_at
),
copied AS (
    UPDATE users u SET place = a.last_active, born = $10
    FROM ahead a
    WHERE u.tenant = a.tenant AND u.user_id = a.user_id
),
-- Whoever is paging through the list finds users where they stood.
remembered AS (
    INSERT INTO past_places (tenant, place, user_id, born, died, left_at)
    SELECT a.tenant, a.place, a.user_id, a.born, $10, $11
    FROM ahead a
    JOIN paging w ON w.tenant = a.tenant AND w.until >= $11
    WHERE a.born <> $10
)
SELECT count(*) FROM touched
