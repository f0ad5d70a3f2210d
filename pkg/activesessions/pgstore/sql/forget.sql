-- Notes that users are forgotten, and takes the names of those who have not signed in
-- since. $1 and $2 are users, $3 the sequences at which they were forgotten; $4 the
-- hash and $5 the search text of no name. Returns those of whom that is news.
WITH told AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (tenant, user_id, sequence)
),
noted AS (
    INSERT INTO forgotten AS f (tenant, user_id, sequence)
    SELECT tenant, user_id, sequence FROM told
    ON CONFLICT (tenant, user_id) DO UPDATE SET sequence = excluded.sequence
    WHERE f.sequence < excluded.sequence
    RETURNING f.tenant, f.user_id
),
greatest_noted AS (
    UPDATE state SET forgotten = greatest(forgotten, (SELECT max(sequence) FROM told))
),
unnamed AS (
    UPDATE places p SET login_sequence = t.sequence, name_hash = $4, search = $5
    FROM told t
    WHERE p.tenant = t.tenant AND p.user_id = t.user_id AND p.login_sequence < t.sequence
    RETURNING p.tenant, p.user_id
),
copied AS (
    UPDATE users u SET username = '', display_name = '', avatar_url = '', search = $5
    FROM unnamed n
    WHERE u.tenant = n.tenant AND u.user_id = n.user_id
)
SELECT tenant, user_id FROM noted
