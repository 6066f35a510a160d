CREATE TABLE stock (
    sku       TEXT    PRIMARY KEY,
    available INTEGER NOT NULL CHECK (available >= 0),
    reserved  INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    version   INTEGER NOT NULL DEFAULT 1 CHECK (version > 0)
) STRICT, WITHOUT ROWID;

-- A released reservation stays as a tombstone, so that a reserve that was overtaken by its own
-- release (a time-out, a retry) does not take stock for an order that is gone.
CREATE TABLE reservation (
    id            TEXT    PRIMARY KEY,
    status        TEXT    NOT NULL CHECK (status IN ('reserved', 'released')),
    released_at_s INTEGER,
    CHECK ((status = 'released') = (released_at_s IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX reservation_tombstones ON reservation (released_at_s) WHERE released_at_s IS NOT NULL;

CREATE TABLE reservation_line (
    reservation TEXT    NOT NULL REFERENCES reservation (id) ON DELETE CASCADE,
    sku         TEXT    NOT NULL REFERENCES stock (sku),
    quantity    INTEGER NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (reservation, sku)
) STRICT, WITHOUT ROWID;
