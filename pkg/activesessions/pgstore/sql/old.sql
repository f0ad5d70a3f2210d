-- How many sessions each of the tenants $1 has that ended or expired before its moment
-- in $2, and how many stubs that old, as sweep.sql finds them.
SELECT t.tenant, o.sessions
FROM unnest($1::text[], $2::bigint[]) AS t (tenant, before)
CROSS JOIN LATERAL (
    SELECT (
        SELECT coalesce(sum(o.sessions), 0)::bigint
        FROM ages a
        CROSS JOIN LATERAL (
            SELECT count(*) AS sessions
            FROM sessions s
            WHERE s.tenant = t.tenant AND s.span = a.span AND s.login_sequence > 0
                AND s.created < t.before - a.shortest AND s.stopped < t.before
                AND CASE WHEN s.end_sequence > 0 THEN s.end_at ELSE s.last_active END < t.before
        ) o
    ) + (
        SELECT count(*)
        FROM sessions s
        WHERE s.tenant = t.tenant AND s.login_sequence = 0
            AND CASE WHEN s.end_sequence > 0 THEN s.end_at ELSE greatest(s.expires, s.last_active) END < t.before
    ) AS sessions
    OFFSET 0 -- counted once, and not once more for the condition
) o
WHERE o.sessions > 0
ORDER BY t.tenant
