-- Finds the place of users who lost a session: further down in the list, where the
-- newest activity of what remains is, or none.
--
-- $1 and $2 are users; $3 the horizon, $4 the version of this write, $5 the
-- moment of it.
WITH fallen AS (
    SELECT p.tenant, p.user_id, p.ctid AS place_at, p.place, p.born, o.last_active
    FROM unnest($1::text[], $2::text[]) AS n (tenant, user_id)
    JOIN places p ON p.tenant = n.tenant AND p.user_id = n.user_id
    CROSS JOIN LATERAL (
        SELECT max(s.last_active) AS last_active
        FROM sessions s
        WHERE s.tenant = n.tenant AND s.user_id = n.user_id
            AND s.end_sequence = 0 AND s.login_sequence > 0 AND s.expires > $3
    ) o
    WHERE p.listed AND (o.last_active IS NULL OR o.last_active < p.place)
),
moved AS (
    UPDATE places p SET
        listed = f.last_active IS NOT NULL,
        place = coalesce(f.last_active, p.place),
        born = $4
    FROM fallen f
    WHERE p.ctid = f.place_at
),
copied AS (
    UPDATE users u SET
        listed = f.last_active IS NOT NULL,
        place = coalesce(f.last_active, f.place),
        born = $4
    FROM fallen f
    WHERE u.tenant = f.tenant AND u.user_id = f.user_id
),
counted AS (
    UPDATE tenants t SET users = t.users - f.users
    FROM (SELECT tenant, count(*) AS users FROM fallen WHERE last_active IS NULL GROUP BY tenant) f
    WHERE t.tenant = f.tenant
)
INSERT INTO past_places (tenant, place, user_id, born, died, left_at)
SELECT f.tenant, f.place, f.user_id, f.born, $4, $5
FROM fallen f
JOIN paging w ON w.tenant = f.tenant AND w.until >= $5
WHERE f.last_active IS NOT NULL AND f.born <> $4
