-- Secrets are kept as SHA-256 only: a copy of this file signs nobody in. Times are Unix seconds.

CREATE TABLE client (
    id                        TEXT PRIMARY KEY,
    name                      TEXT NOT NULL,
    secret_hash               BLOB,                 -- NULL: a public client
    redirect_uris             TEXT NOT NULL,        -- JSON array
    post_logout_redirect_uris TEXT NOT NULL,        -- JSON array
    grants                    TEXT NOT NULL,        -- separated by spaces
    scope                     TEXT NOT NULL
) STRICT;

-- A browser that is signed in here.
CREATE TABLE session (
    id_hash    BLOB PRIMARY KEY,
    sid        TEXT NOT NULL UNIQUE,
    sub        TEXT NOT NULL,
    auth_time  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX session_expires_at ON session (expires_at);
CREATE INDEX session_sub ON session (sub);

-- Kept for a while after they are spent, so that a second use is noticed.
CREATE TABLE code (
    code_hash      BLOB PRIMARY KEY,
    client_id      TEXT NOT NULL REFERENCES client (id),
    redirect_uri   TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    scope          TEXT NOT NULL,
    nonce          TEXT,
    sub            TEXT NOT NULL,
    sid            TEXT NOT NULL,
    auth_time      INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    spent          INTEGER NOT NULL DEFAULT 0,
    family_hash    BLOB                             -- what to revoke on a second use
) STRICT;
CREATE INDEX code_expires_at ON code (expires_at);
CREATE INDEX code_sub ON code (sub);

-- All refresh tokens that descend from one sign-in. A token names its family; only the newest
-- secret is valid, and any other shows that somebody holds a copy.
CREATE TABLE refresh_family (
    family_hash  BLOB PRIMARY KEY,
    current_hash BLOB NOT NULL,
    client_id    TEXT NOT NULL REFERENCES client (id),
    scope        TEXT NOT NULL,
    sub          TEXT NOT NULL,
    sid          TEXT NOT NULL,
    auth_time    INTEGER NOT NULL,
    idle_until   INTEGER NOT NULL,
    ends_at      INTEGER NOT NULL,
    revoked      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX refresh_family_ends_at ON refresh_family (ends_at);
CREATE INDEX refresh_family_idle_until ON refresh_family (idle_until);
CREATE INDEX refresh_family_sub ON refresh_family (sub);
CREATE INDEX refresh_family_sid ON refresh_family (sid);
