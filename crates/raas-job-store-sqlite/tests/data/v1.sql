-- A store as schema version 1 left it.
PRAGMA application_id = 1382113619;
PRAGMA user_version = 1;
CREATE TABLE jobs (
    id         TEXT    NOT NULL PRIMARY KEY,
    cid        TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    next_look  INTEGER,
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
    outstanding INTEGER NOT NULL,
    body        TEXT    NOT NULL
) STRICT;
CREATE INDEX orders_by_cid ON orders (cid, created, id);
CREATE INDEX orders_outstanding ON orders (created, id) WHERE outstanding = 1;

CREATE TABLE transactions (
    seq  INTEGER NOT NULL PRIMARY KEY,
    hash TEXT    NOT NULL UNIQUE,
    open INTEGER NOT NULL,
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
    until INTEGER NOT NULL,
    fence INTEGER NOT NULL
) STRICT;

INSERT INTO jobs VALUES ('job-1', 'bafkreiabaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibae', 7, 500, NULL, x'0100ff',
    '{"id":"job-1","cid":"bafkreiabaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibae","terms":{"replication":{"target":3,"min":2,"max":5},"trust":"proven"},"registered":90,"found":null}');
INSERT INTO deal_memories VALUES ('bafkreiabaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibae', 5,
    '{"listed":{"deal":5,"provider":1000},"provenance":"contract","first_heard":100,"proposal":null,"sector":null,"last_active":null,"first_faulty":null,"suspicion":null,"proof":null,"last":null}');
INSERT INTO orders VALUES ('order-1', 'bafkreiabaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibae', 100, 1,
    '{"id":"order-1","cid":"bafkreiabaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibae","aggregator":"first","cause":{"kind":"replication"},"known_deals":[7],"exclude":[],"created":100,"state":{"state":"intended"}}');
INSERT INTO transactions VALUES
    (1, '0xb', 0, '{"hash":"0xb","purpose":{"kind":"submit","job":"job-1"},"raw":[1,2,3],"nonce":0,"state":{"state":"done","at":95,"submission":4}}'),
    (2, '0xa', 1, '{"hash":"0xa","purpose":{"kind":"submit","job":"job-2"},"raw":[1,2,3],"nonce":1,"state":{"state":"prepared"}}'),
    (3, '0xc', 1, '{"hash":"0xc","purpose":{"kind":"complete","job":"job-1","deal":5},"raw":[1,2,3],"nonce":2,"state":{"state":"prepared"}}');
INSERT INTO cursors VALUES ('events', -5);
INSERT INTO leases VALUES ('pass', 'node-1', 1000, 3);
