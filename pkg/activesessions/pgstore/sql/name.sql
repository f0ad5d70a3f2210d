-- Writes down who users are: new ones, and ones whose newest login said something
-- new. $1..$6 are columns of users. Their places were written before.
INSERT INTO users (tenant, user_id, username, display_name, avatar_url, search, listed, place, born)
SELECT n.tenant, n.user_id, n.username, n.display_name, n.avatar_url, n.search, p.listed, p.place, p.born
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS n (tenant, user_id, username, display_name, avatar_url, search)
JOIN places p ON p.tenant = n.tenant AND p.user_id = n.user_id
ON CONFLICT (tenant, user_id) DO UPDATE SET
    username = excluded.username,
    display_name = excluded.display_name,
    avatar_url = excluded.avatar_url,
    search = excluded.search
