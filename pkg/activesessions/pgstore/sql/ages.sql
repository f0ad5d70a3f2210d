-- The classes of lives, each with the shortest life in it. The first has none: a
-- session may be over before it began, where clocks are wrong.
ages AS (
    SELECT shortest, number - 1 AS span
    FROM unnest(-(1::bigint << 61) || spans()) WITH ORDINALITY AS c (shortest, number)
)
