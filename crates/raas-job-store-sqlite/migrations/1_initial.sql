-- What a node must not forget. Each row holds its value as JSON in `body`; beside it stand only the
-- columns that are searched by, and what changes without the rest (a job's record).
-- Epochs and ids of the chain are plain integers; ids above 2^63 - 1 wrap to negative ones.

CREATE TABLE jobs (
    id         TEXT    NOT NULL PRIMARY KEY,
    cid        TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    next_look  INTEGER, -- NULL: at once
    submission INTEGER,
    last_plan  BLOB,
    body       TEXT    NOT NULL
) STRICT;
CREATE INDEX jobs_by_cid ON jobs (cid, id);
CREATE INDEX jobs_by_look ON jobs (next_look, id);

CREATE TABLE deal_memories (
    cid  TEXT    NOT NULL,
    deal INTEGER NOT NULL,
    body TEXT    NOT NULL,
    PRIMARY KEY (cid, deal)
) STRICT;

CREATE TABLE orders (
    id          TEXT    NOT NULL PRIMARY KEY,
    cid         TEXT    NOT NULL,
    created     INTEGER NOT NULL,
    outstanding INTEGER NOT NULL, -- 1: a deal may still come of it
    body        TEXT    NOT NULL
) STRICT;
CREATE INDEX orders_by_cid ON orders (cid, created, id);
CREATE INDEX orders_outstanding ON orders (created, id) WHERE outstanding = 1;

CREATE TABLE transactions (
    seq  INTEGER NOT NULL PRIMARY KEY, -- in the order of their first writing
    hash TEXT    NOT NULL UNIQUE,
    open INTEGER NOT NULL,             -- 1: its end is not known
    body TEXT    NOT NULL
) STRICT;
CREATE INDEX transactions_open ON transactions (open) WHERE open = 1;

CREATE TABLE cursors (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

CREATE TABLE leases (
    name  TEXT    NOT NULL PRIMARY KEY,
    owner TEXT    NOT NULL,
    until INTEGER NOT NULL, -- exclusive
    fence INTEGER NOT NULL
) STRICT;
