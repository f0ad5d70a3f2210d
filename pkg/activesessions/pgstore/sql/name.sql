-- Writes down who users are: new ones, and ones whose newest login said something
-- new. $1..$6 are columns of users.
INSERT INTO users (tenant, user_id, username, display_name, avatar_url, search)
SELECT tenant, user_id, username, display_name, avatar_url, search
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS n (tenant, user_id, username, display_name, avatar_url, search)
ON CONFLICT (tenant, user_id) DO UPDATE SET
    username = excluded.username,
    display_name = excluded.display_name,
    avatar_url = excluded.avatar_url,
    search = excluded.search
