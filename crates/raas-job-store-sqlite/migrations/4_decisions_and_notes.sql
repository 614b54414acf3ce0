-- The log of decisions, and small named values.

CREATE TABLE decisions (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- never given twice; grows by one
    cid    TEXT    NOT NULL,
    at     INTEGER NOT NULL, -- an epoch
    body   BLOB    NOT NULL  -- whoever wrote it knows its format
) STRICT;
CREATE INDEX decisions_by_cid ON decisions (cid, number);

CREATE TABLE notes (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
