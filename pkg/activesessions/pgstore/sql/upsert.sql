-- Merges rows into sessions and keeps users and tenants in step. This is
-- activesessions.Join in SQL: change both or none.
--
-- $1..$23 are rows of sessions, one element each; $24..$28 the users who signed
-- in, with the sequence of the newest of these logins, a hash of whom it says they
-- are, and what they are searched by; $29 and $30 tenants and their step; $31 the
-- horizon, $32 the version of this write, $33 the moment of it; $34 how many users
-- the rows have.
WITH merged AS (
    INSERT INTO sessions AS s (
        tenant, user_id, session, username, display_name, avatar_url, client, device,
        user_agent, user_agent_at, ip, ip_at, created, expires, last_active, generation,
        login_id, login_sequence, end_at, end_sequence, ending, first_sequence, forgotten
    )
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
        $17::text[], $18::bigint[], $19::bigint[], $20::bigint[], $21::text[], $22::bigint[], $23::boolean[]
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
        -- The lowest that there is.
        first_sequence = coalesce(least(nullif(s.first_sequence, 0), nullif(excluded.first_sequence, 0)), 0),
        -- For ever. What this brings into such a row is taken out afterwards.
        forgotten = s.forgotten OR excluded.forgotten,
        was_open = s.login_sequence > 0 AND s.end_sequence = 0 AND s.expires > $31
    -- What says nothing new changes nothing.
    WHERE excluded.login_sequence > 0 AND (s.login_sequence = 0 OR excluded.login_sequence < s.login_sequence
            OR excluded.login_sequence = s.login_sequence AND excluded.device > s.device)
        OR (excluded.user_agent_at, excluded.user_agent) > (s.user_agent_at, s.user_agent)
        OR (excluded.ip_at, excluded.ip) > (s.ip_at, s.ip)
        OR excluded.expires > s.expires
        OR excluded.last_active > s.last_active
        OR excluded.generation > s.generation
        OR excluded.end_sequence > 0 AND (s.end_sequence = 0 OR excluded.end_sequence < s.end_sequence)
        OR excluded.first_sequence > 0 AND (s.first_sequence = 0 OR excluded.first_sequence < s.first_sequence)
        OR excluded.forgotten AND NOT s.forgotten
    RETURNING tenant, user_id, last_active, was_open, forgotten,
        login_sequence > 0 AND end_sequence = 0 AND expires > $31 AS is_open
),
change AS (
    SELECT tenant, user_id,
        sum(is_open::int - was_open::int) AS sessions,
        max(last_active) FILTER (WHERE is_open) AS last_active,
        bool_or(forgotten) AS forgotten
    FROM merged
    GROUP BY tenant, user_id
),
-- Each user beside the place that there is. Writers come one after the other, so
-- a row found is where it was. A login that changes no row may change a name.
placed AS (
    SELECT tenant, user_id, c.last_active, c.forgotten, n.login_sequence, n.name_hash, n.search,
        p.ctid AS place_at, coalesce(p.listed, false) AS listed, p.place, p.born,
        coalesce(n.login_sequence > p.login_sequence AND n.name_hash <> p.name_hash, false) AS renamed,
        -- Activity is a step ahead of the place, or there was none.
        coalesce(c.last_active > p.place + t.step OR NOT p.listed, true) AND c.last_active IS NOT NULL AS moved
    FROM change c
    FULL JOIN unnest($24::text[], $25::text[], $26::bigint[], $27::bigint[], $28::text[])
        AS n (tenant, user_id, login_sequence, name_hash, search) USING (tenant, user_id)
    JOIN unnest($29::text[], $30::bigint[]) AS t (tenant, step) USING (tenant)
    LEFT JOIN places p USING (tenant, user_id)
    WHERE c.tenant IS NOT NULL OR n.login_sequence > p.login_sequence AND n.name_hash <> p.name_hash
),
moved AS (
    UPDATE places p SET
        listed = p.listed OR n.moved,
        place = CASE WHEN n.moved THEN n.last_active ELSE p.place END,
        born = CASE WHEN n.moved THEN $32 ELSE p.born END,
        login_sequence = CASE WHEN n.renamed THEN n.login_sequence ELSE p.login_sequence END,
        name_hash = CASE WHEN n.renamed THEN n.name_hash ELSE p.name_hash END,
        search = CASE WHEN n.renamed THEN n.search ELSE p.search END
    FROM placed n
    WHERE p.ctid = n.place_at AND (n.moved OR n.renamed)
),
copied AS (
    UPDATE users u SET listed = true, place = n.last_active, born = $32
    FROM placed n
    WHERE n.moved AND n.place_at IS NOT NULL AND u.tenant = n.tenant AND u.user_id = n.user_id
),
-- Users nobody has seen signing in have no place.
new AS (
    INSERT INTO places (tenant, user_id, listed, place, born, login_sequence, name_hash, search)
    SELECT tenant, user_id, moved, coalesce(last_active, 0), $32, coalesce(login_sequence, 0), coalesce(name_hash, 0), coalesce(search, '')
    FROM placed
    WHERE place_at IS NULL AND (login_sequence IS NOT NULL OR moved)
),
-- Whoever is paging through the list finds users where they stood.
remembered AS (
    INSERT INTO past_places (tenant, place, user_id, born, died, left_at)
    SELECT n.tenant, n.place, n.user_id, n.born, $32, $33
    FROM placed n
    JOIN paging w ON w.tenant = n.tenant AND w.until >= $33
    WHERE n.listed AND n.moved AND n.born <> $32
),
counted AS (
    INSERT INTO tenants AS t (tenant, users, sessions)
    SELECT tenant, coalesce(l.users, 0), c.sessions
    FROM (SELECT tenant, sum(sessions) AS sessions FROM change GROUP BY tenant) c
    LEFT JOIN (
        SELECT tenant, count(*) AS users FROM placed WHERE moved AND NOT listed GROUP BY tenant
    ) l USING (tenant)
    ON CONFLICT (tenant) DO UPDATE SET
        users = t.users + excluded.users,
        sessions = t.sessions + excluded.sessions
)
-- How many users changed, which, if they are not all $34 of them, which of them have
-- a name that is not known, and of which a forgotten session was written.
SELECT count(*),
    CASE WHEN count(*) < $34::bigint THEN array_agg(tenant) END,
    CASE WHEN count(*) < $34::bigint THEN array_agg(user_id) END,
    array_agg(tenant) FILTER (WHERE renamed OR place_at IS NULL AND login_sequence IS NOT NULL),
    array_agg(user_id) FILTER (WHERE renamed OR place_at IS NULL AND login_sequence IS NOT NULL),
    array_agg(tenant) FILTER (WHERE forgotten),
    array_agg(user_id) FILTER (WHERE forgotten)
FROM placed
