-- The classes of lives, each with the longest life in it. The last has no bound but
-- one that moments can be counted back by.
classes AS (
    SELECT longest, number - 1 AS span
    FROM unnest(spans() || (1::bigint << 61)) WITH ORDINALITY AS c (longest, number)
),
