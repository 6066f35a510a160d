-- Registered instances. Leases are not kept: a restart gives each of them one TTL of grace.
CREATE TABLE instance (
    service      TEXT NOT NULL,
    id           TEXT NOT NULL,
    lease_id     TEXT NOT NULL,
    status       TEXT NOT NULL,
    registration TEXT NOT NULL,
    PRIMARY KEY (service, id)
) STRICT, WITHOUT ROWID;

-- The index of the last change on disk, so that indexes never run backwards for those who watch.
CREATE TABLE last_change (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    "index" INTEGER NOT NULL
) STRICT;
