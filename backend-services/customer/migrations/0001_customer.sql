CREATE TABLE customer (
    id                 INTEGER PRIMARY KEY,
    name               TEXT    NOT NULL,
    email              TEXT    NOT NULL,
    city               TEXT    NOT NULL,
    currency           TEXT    NOT NULL,
    credit_limit_cents INTEGER NOT NULL CHECK (credit_limit_cents >= 0),
    -- What open orders hold of the limit.
    open_cents         INTEGER NOT NULL DEFAULT 0 CHECK (open_cents BETWEEN 0 AND credit_limit_cents),
    version            INTEGER NOT NULL DEFAULT 1 CHECK (version > 0)
) STRICT;
