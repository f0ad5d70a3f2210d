-- Merges rows into sessions and keeps users and tenants in step. This is
-- activesessions.Join in SQL: change both or none.
--
-- $1..$21 are rows of sessions, one element each; $22..$27 the users who signed in
-- and who the newest of these logins says they are; $28 and $29 tenants and their
-- step; $30 the horizon, $31 the version of this write, $32 the moment of it, $33
-- what these users are searched by, $34 how many users the rows have.
WITH merged AS (
    INSERT INTO sessions AS s (
        tenant, user_id, session, username, display_name, avatar_url, client, device,
        user_agent, user_agent_at, ip, ip_at, created, expires, last_active, generation,
        login_id, login_sequence, end_at, end_sequence, ending
    )
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
        $17::text[], $18::bigint[], $19::bigint[], $20::bigint[], $21::text[]
    )
    ON CONFLICT (tenant, user_id, session) DO UPDATE SET
        -- The login with the lowest sequence, whole; of one login parsed twice
        -- the greater device.
        (username, display_name, avatar_url, client, device, created, login_id, login_sequence) = (
            SELECT w.username, w.display_name, w.avatar_url, w.client, w.device, w.created, w.login_id, w.login_sequence
            FROM (VALUES
                (s.username, s.display_name, s.avatar_url, s.client, s.device, s.created, s.login_id, s.login_sequence),
                (excluded.username, excluded.display_name, excluded.avatar_url, excluded.client, excluded.device,
                    excluded.created, excluded.login_id, excluded.login_sequence)
            ) AS w (username, display_name, avatar_url, client, device, created, login_id, login_sequence)
            ORDER BY w.login_sequence = 0, w.login_sequence, w.device DESC
            LIMIT 1
        ),
        -- The newest, and of one moment the greater.
        user_agent = CASE WHEN (excluded.user_agent_at, excluded.user_agent) > (s.user_agent_at, s.user_agent)
            THEN excluded.user_agent ELSE s.user_agent END,
        user_agent_at = greatest(s.user_agent_at, excluded.user_agent_at),
        ip = CASE WHEN (excluded.ip_at, excluded.ip) > (s.ip_at, s.ip) THEN excluded.ip ELSE s.ip END,
        ip_at = greatest(s.ip_at, excluded.ip_at),
        expires = greatest(s.expires, excluded.expires),
        last_active = greatest(s.last_active, excluded.last_active),
        generation = greatest(s.generation, excluded.generation),
        -- The end with the lowest sequence.
        (end_at, end_sequence, ending) = (
            SELECT w.end_at, w.end_sequence, w.ending
            FROM (VALUES
                (s.end_at, s.end_sequence, s.ending),
                (excluded.end_at, excluded.end_sequence, excluded.ending)
            ) AS w (end_at, end_sequence, ending)
            ORDER BY w.end_sequence = 0, w.end_sequence
            LIMIT 1
        ),
        was_open = s.login_sequence > 0 AND s.end_sequence = 0 AND s.expires > $30
    -- What says nothing new changes nothing.
    WHERE excluded.login_sequence > 0 AND (s.login_sequence = 0 OR excluded.login_sequence < s.login_sequence
            OR excluded.login_sequence = s.login_sequence AND excluded.device > s.device)
        OR (excluded.user_agent_at, excluded.user_agent) > (s.user_agent_at, s.user_agent)
        OR (excluded.ip_at, excluded.ip) > (s.ip_at, s.ip)
        OR excluded.expires > s.expires
        OR excluded.last_active > s.last_active
        OR excluded.generation > s.generation
        OR excluded.end_sequence > 0 AND (s.end_sequence = 0 OR excluded.end_sequence < s.end_sequence)
    RETURNING tenant, user_id, last_active,
        CASE WHEN login_sequence > 0 THEN expires - created END AS life, was_open,
        login_sequence > 0 AND end_sequence = 0 AND expires > $30 AS is_open
),
change AS (
    SELECT tenant, user_id,
        sum(is_open::int - was_open::int) AS sessions,
        max(last_active) FILTER (WHERE is_open) AS last_active,
        max(life) AS life
    FROM merged
    GROUP BY tenant, user_id
),
-- Names change rarely: what is there is read and nearly never written. Writers
-- come one after the other, so a row found is where it was.
named AS (
    SELECT n.*, u.ctid AS name_at,
        n.login_sequence > u.login_sequence
            AND (n.username, n.display_name, n.avatar_url) <> (u.username, u.display_name, u.avatar_url) AS renamed
    FROM unnest($22::text[], $23::text[], $24::text[], $25::text[], $26::text[], $33::text[], $27::bigint[])
        AS n (tenant, user_id, username, display_name, avatar_url, search, login_sequence)
    LEFT JOIN users u ON u.tenant = n.tenant AND u.user_id = n.user_id
),
renamed AS (
    UPDATE users u SET
        username = n.username,
        display_name = n.display_name,
        avatar_url = n.avatar_url,
        search = n.search,
        login_sequence = n.login_sequence
    FROM named n
    WHERE u.ctid = n.name_at AND n.renamed
),
new_users AS (
    INSERT INTO users (tenant, user_id, username, display_name, avatar_url, search, login_sequence)
    SELECT tenant, user_id, username, display_name, avatar_url, search, login_sequence
    FROM named
    WHERE name_at IS NULL
),
-- Users with an open session have a place; it moves when activity is a step ahead.
placed AS (
    SELECT c.tenant, c.user_id, c.last_active, p.ctid AS place_at, p.listed, p.place, p.born,
        NOT p.listed OR c.last_active > p.place + t.step AS moved
    FROM change c
    JOIN unnest($28::text[], $29::bigint[]) AS t (tenant, step) ON t.tenant = c.tenant
    LEFT JOIN places p ON p.tenant = c.tenant AND p.user_id = c.user_id
    WHERE c.last_active IS NOT NULL
),
moved AS (
    UPDATE places p SET listed = true, place = n.last_active, born = $31
    FROM placed n
    WHERE p.ctid = n.place_at AND n.moved
),
new_places AS (
    INSERT INTO places (tenant, user_id, listed, place, born)
    SELECT tenant, user_id, true, last_active, $31
    FROM placed
    WHERE place_at IS NULL
),
-- Whoever is paging through the list finds users where they stood.
remembered AS (
    INSERT INTO past_places (tenant, place, user_id, born, died, left_at)
    SELECT n.tenant, n.place, n.user_id, n.born, $31, $32
    FROM placed n
    JOIN paging w ON w.tenant = n.tenant AND w.until >= $32
    WHERE n.listed AND n.moved AND n.born <> $31
),
counted AS (
    INSERT INTO tenants AS t (tenant, users, sessions, longest)
    SELECT tenant, coalesce(l.users, 0), c.sessions, c.longest
    FROM (SELECT tenant, sum(sessions) AS sessions, coalesce(max(life), 0) AS longest FROM change GROUP BY tenant) c
    LEFT JOIN (
        SELECT tenant, count(*) AS users FROM placed WHERE listed IS NOT TRUE GROUP BY tenant
    ) l USING (tenant)
    ON CONFLICT (tenant) DO UPDATE SET
        users = t.users + excluded.users,
        sessions = t.sessions + excluded.sessions,
        longest = greatest(t.longest, excluded.longest)
)
-- The users that changed, by name only if they are not all $34 of them.
SELECT count(*),
    CASE WHEN count(*) < $34::bigint THEN array_agg(tenant) END,
    CASE WHEN count(*) < $34::bigint THEN array_agg(user_id) END
FROM change
