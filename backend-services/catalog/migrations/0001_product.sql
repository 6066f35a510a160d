CREATE TABLE product (
    sku         TEXT    PRIMARY KEY,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    category    TEXT    NOT NULL,
    currency    TEXT    NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    -- SKU, name and description in lower case: SQLite folds the case of ASCII letters only.
    search_text TEXT    NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1 CHECK (version > 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX product_by_category ON product (category, sku);
