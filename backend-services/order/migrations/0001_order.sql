CREATE TABLE customer_order (
    -- AUTOINCREMENT: an order number is never used twice.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The id of the order's reservation at inventory.
    reservation TEXT    NOT NULL UNIQUE,
    customer_id INTEGER NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('pending', 'approved', 'rejected', 'cancelled')),
    placed_at_s INTEGER NOT NULL,
    currency    TEXT    NOT NULL,
    total_cents INTEGER NOT NULL CHECK (total_cents >= 0),
    version     INTEGER NOT NULL CHECK (version >= 0),
    -- 1 from the decision to give the stock back until inventory has confirmed it.
    release_due INTEGER NOT NULL DEFAULT 0 CHECK (release_due IN (0, 1))
) STRICT;

CREATE INDEX customer_order_by_customer ON customer_order (customer_id, id);
CREATE INDEX customer_order_pending ON customer_order (placed_at_s) WHERE status = 'pending';
CREATE INDEX customer_order_release_due ON customer_order (id) WHERE release_due = 1;

CREATE TABLE order_line (
    order_id   INTEGER NOT NULL REFERENCES customer_order (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    sku        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    unit_cents INTEGER NOT NULL CHECK (unit_cents >= 0),
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;

-- What was answered to an Idempotency-Key, so that asking again gives the same answer.
CREATE TABLE idempotency (
    -- The user who sent the key: one user's key never finds another's answer.
    caller       TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    request_hash BLOB    NOT NULL,
    order_id     INTEGER NOT NULL UNIQUE REFERENCES customer_order (id) ON DELETE CASCADE,
    created_at_s INTEGER NOT NULL,
    -- The answer; NULL while the order is being placed.
    status       INTEGER,
    location     TEXT,
    body         TEXT,
    PRIMARY KEY (caller, key),
    CHECK ((status IS NULL) = (body IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (created_at_s);
