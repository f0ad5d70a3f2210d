-- A trigram index lets a filter find users without looking at all of a tenant's.
-- The extension comes with PostgreSQL, but whoever runs the server may not allow
-- it; the filter then reads the tenant's users. The index can be made later, with
-- the statement below.

-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
    BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
    EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE 'posse does without pg_trgm: %', SQLERRM;
    END;
    IF EXISTS (SELECT FROM pg_opclass WHERE opcname = 'gin_trgm_ops' AND pg_opclass_is_visible(oid)) THEN
        CREATE INDEX users_search ON users USING gin (search gin_trgm_ops);
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP INDEX IF EXISTS users_search;
