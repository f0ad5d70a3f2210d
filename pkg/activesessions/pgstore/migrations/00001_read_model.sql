-- The read model. Moments are milliseconds since 1970, as in the log, and 0 is
-- "unknown". Ids and whatever else a stranger wrote compare byte by byte
-- (COLLATE "C"), like in Go; NUL, which PostgreSQL cannot hold, is escaped.

-- +goose Up

-- One row: what the whole read model has in common. Whoever writes locks it, so
-- writers come one after the other.
CREATE TABLE state (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint  NOT NULL, -- counts writes; the list of users has versions
    horizon bigint  NOT NULL, -- sessions that expired before are out of the summaries
    as_of   bigint  NOT NULL, -- when POS_SESSIONS was last known to end at our position
    secret  bytea   NOT NULL  -- authenticates page tokens
);
INSERT INTO state (version, horizon, as_of, secret)
VALUES (0, 0, 0, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- How far each stream was read. A position names the message, not its number
-- only. It moves in the transaction that writes what was read.
CREATE TABLE positions (
    stream     text COLLATE "C" PRIMARY KEY,
    sequence   bigint NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    created_ns bigint NOT NULL -- when the stream was created, in nanoseconds
);

-- A row for each session, ended ones too, and for each stub: a session of which
-- something is known, but not its login (login_sequence = 0).
--
-- Touches are most of what is written. They change ip, ip_at and last_active,
-- which no index mentions, and find room on the row's own page: such an update
-- touches no index (HOT).
CREATE TABLE sessions (
    tenant         text COLLATE "C" NOT NULL,
    user_id        text COLLATE "C" NOT NULL,
    session        text COLLATE "C" NOT NULL,
    username       text COLLATE "C" NOT NULL,
    display_name   text COLLATE "C" NOT NULL,
    avatar_url     text COLLATE "C" NOT NULL,
    client         text COLLATE "C" NOT NULL, -- JSON: what was declared
    device         text COLLATE "C" NOT NULL, -- JSON: what we make of it
    user_agent     text COLLATE "C" NOT NULL,
    user_agent_at  bigint NOT NULL,
    ip             text COLLATE "C" NOT NULL,
    ip_at          bigint NOT NULL,
    created        bigint NOT NULL,
    expires        bigint NOT NULL,
    last_active    bigint NOT NULL,
    generation     bigint NOT NULL,
    login_id       text COLLATE "C" NOT NULL,
    login_sequence bigint NOT NULL, -- 0: a stub
    end_at         bigint NOT NULL,
    end_sequence   bigint NOT NULL, -- 0: nobody ended it
    ending         text COLLATE "C" NOT NULL, -- JSON: who, how and why
    -- Whether the session was open before the last write to its row: lets that
    -- write keep the summaries in step without reading the row first.
    was_open       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, user_id, session)
) WITH (fillfactor = 85);

-- A session by its id alone.
CREATE INDEX sessions_by_id ON sessions (tenant, session);
-- The open sessions of a user, past the ended and expired ones of 13 months.
CREATE INDEX sessions_open ON sessions (tenant, user_id, expires) WHERE end_sequence = 0 AND login_sequence > 0;
-- A past moment: sessions that began not long before it.
CREATE INDEX sessions_begun ON sessions (tenant, created) WHERE login_sequence > 0;
-- What expires next, and what the sweep may forget.
CREATE INDEX sessions_expiring ON sessions (expires) WHERE end_sequence = 0;
CREATE INDEX sessions_ended ON sessions (end_at) WHERE end_sequence > 0;

-- Who a user is, from the newest login.
CREATE TABLE users (
    tenant       text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    username     text COLLATE "C" NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    avatar_url   text COLLATE "C" NOT NULL,
    search       text COLLATE "C" NOT NULL, -- what a filter is looked for in
    PRIMARY KEY (tenant, user_id)
);

-- Where users stand in the list, as of the horizon: in order of place, which is
-- their last activity in steps, so that few touches move it.
CREATE TABLE places (
    tenant         text COLLATE "C" NOT NULL,
    user_id        text COLLATE "C" NOT NULL,
    listed         boolean NOT NULL, -- has open sessions
    place          bigint  NOT NULL,
    born           bigint  NOT NULL, -- state.version since which place holds
    -- Names change rarely: logins look here whether theirs is known, and leave
    -- users and its indexes alone.
    login_sequence bigint  NOT NULL,
    name_hash      bigint  NOT NULL,
    PRIMARY KEY (tenant, user_id)
) WITH (fillfactor = 80);
CREATE INDEX places_listed ON places (tenant, place DESC, user_id) WHERE listed;

-- Totals, as of the horizon.
CREATE TABLE tenants (
    tenant   text COLLATE "C" PRIMARY KEY,
    users    bigint NOT NULL, -- listed ones
    sessions bigint NOT NULL, -- open ones
    longest  bigint NOT NULL  -- the longest life of any session
) WITH (fillfactor = 50);

-- Tenants whose list somebody is paging through, and until when.
CREATE TABLE paging (
    tenant text COLLATE "C" PRIMARY KEY,
    until  bigint NOT NULL
);
-- Where users of these tenants stood before they moved, in the versions of the
-- list from born to before died.
CREATE TABLE past_places (
    tenant  text COLLATE "C" NOT NULL,
    place   bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    born    bigint NOT NULL,
    died    bigint NOT NULL,
    left_at bigint NOT NULL
);
CREATE INDEX past_places_listed ON past_places (tenant, place DESC, user_id);
CREATE INDEX past_places_left ON past_places (left_at);

-- What the parser made of each combination of declared platform and user agent.
CREATE TABLE devices (
    hash    text COLLATE "C" PRIMARY KEY,
    version text COLLATE "C" NOT NULL, -- of the parser
    device  text COLLATE "C" NOT NULL  -- JSON
);

-- +goose Down
DROP TABLE devices, past_places, paging, tenants, places, users, sessions, positions, state;
