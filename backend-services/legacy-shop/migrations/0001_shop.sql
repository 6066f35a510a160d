-- One database for everything, as monoliths have it: an order, its lines and its stock change in one
-- transaction.
CREATE TABLE customers (
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

CREATE TABLE products (
    sku         TEXT    PRIMARY KEY,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    category    TEXT    NOT NULL,
    currency    TEXT    NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    -- SKU, name and description in lower case: SQLite folds ASCII only.
    search_text TEXT    NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1 CHECK (version > 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX products_by_category ON products (category, sku);

CREATE TABLE stock (
    sku       TEXT    PRIMARY KEY REFERENCES products (sku),
    available INTEGER NOT NULL CHECK (available >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    -- AUTOINCREMENT: an order number is never used twice.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    status      TEXT    NOT NULL CHECK (status IN ('approved', 'cancelled')),
    placed_at_s INTEGER NOT NULL,
    currency    TEXT    NOT NULL,
    total_cents INTEGER NOT NULL CHECK (total_cents >= 0),
    version     INTEGER NOT NULL DEFAULT 1 CHECK (version > 0),
    -- 0 for the orders the shop starts with, which were fulfilled long ago, and for cancelled ones.
    holds_stock INTEGER NOT NULL CHECK (holds_stock IN (0, 1))
) STRICT;

CREATE INDEX orders_by_customer ON orders (customer_id, id);

CREATE TABLE order_lines (
    order_id   INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    sku        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    unit_cents INTEGER NOT NULL CHECK (unit_cents >= 0),
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;

-- Which order a client's key has led to, so that sending it again makes no second one.
CREATE TABLE client_keys (
    caller       TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    request      TEXT    NOT NULL,
    order_id     INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    created_at_s INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX client_keys_by_age ON client_keys (created_at_s);
