-- A filter of any length and script finds users by an index: of the characters
-- and the pairs of neighbours in what they are searched by. It needs no extension
-- and takes the place of the index of trigrams, which knows nothing shorter than
-- three letters and, in a database with the locale C, only ASCII ones.

-- +goose Up

-- The characters of a text and its pairs of neighbours: those that come of cutting
-- it every two characters, and of cutting it so from the second on. (Control
-- characters are in no name; Fold removes them.) A filter can be somewhere in the
-- text only if all of the filter's pairs are here, and one of one or two
-- characters is if and only if it is here itself.
CREATE FUNCTION grams(search text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
COST 1000 -- so that nobody plans to call it row by row; without STRICT it would be inlined and look cheap
AS $$
    SELECT string_to_array(search, NULL)
        || string_to_array(regexp_replace(search, '(..)(?=.)', E'\\1\x02', 'g'), E'\x02')
        || string_to_array(regexp_replace(substr(search, 2), '(..)(?=.)', E'\\1\x02', 'g'), E'\x02')
$$;

-- A filter is answered by the index on users, or by walking places in the order of
-- the list. Neither looks into the other's table: each has a copy of what it needs
-- of it. The copy in users has no index, so moving a user finds room on the row's
-- own page (HOT).
ALTER TABLE users
    ADD COLUMN listed boolean NOT NULL DEFAULT false,
    ADD COLUMN place  bigint  NOT NULL DEFAULT 0,
    ADD COLUMN born   bigint  NOT NULL DEFAULT 0,
    SET (fillfactor = 80);
UPDATE users u SET listed = p.listed, place = p.place, born = p.born
FROM places p
WHERE p.tenant = u.tenant AND p.user_id = u.user_id;

ALTER TABLE places ADD COLUMN search text COLLATE "C" NOT NULL DEFAULT '';
UPDATE places p SET search = u.search
FROM users u
WHERE u.tenant = p.tenant AND u.user_id = p.user_id;

DROP INDEX IF EXISTS users_search;
CREATE INDEX users_grams ON users USING gin (grams(search));

-- +goose Down
DROP INDEX users_grams;
DROP FUNCTION grams;
ALTER TABLE places DROP COLUMN search;
ALTER TABLE users DROP COLUMN listed, DROP COLUMN place, DROP COLUMN born, RESET (fillfactor);
