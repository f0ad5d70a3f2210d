-- Writes back sessions out of which the person was taken: $1..$3 their keys, $4..$6
-- what is left of the columns that hold other things too. No index knows the columns
-- that change, so these updates are HOT.
UPDATE sessions s SET
    forgotten = true,
    username = '', display_name = '', avatar_url = '',
    user_agent = '', user_agent_at = 0,
    ip = '', ip_at = 0,
    client = b.client, device = b.device, ending = b.ending
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS b (tenant, user_id, session, client, device, ending)
WHERE s.tenant = b.tenant AND s.user_id = b.user_id AND s.session = b.session
