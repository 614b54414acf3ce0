-- What is remembered of a deal may be packed into bytes, whose first says how; rows of before stay
-- the JSON that they are until they are written anew. Each is found by its key alone, and those of
-- one CID lie together.

CREATE TABLE deal_memories_3 (
    cid  TEXT    NOT NULL,
    deal INTEGER NOT NULL,
    body ANY     NOT NULL, -- TEXT: JSON; BLOB: packed
    PRIMARY KEY (cid, deal)
) STRICT, WITHOUT ROWID;
INSERT INTO deal_memories_3 (cid, deal, body) SELECT cid, deal, body FROM deal_memories;
DROP TABLE deal_memories;
ALTER TABLE deal_memories_3 RENAME TO deal_memories;
