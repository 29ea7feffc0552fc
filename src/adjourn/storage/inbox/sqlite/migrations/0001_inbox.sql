-- The inbox's tables. They may lie in a file of the user's own, beside other tables.
-- Times are milliseconds since 1970, UTC.

CREATE TABLE adjourn_inbox_schema (
    version INTEGER PRIMARY KEY
);

-- One row for each event, for good. Unfinished while `due` is set.
CREATE TABLE adjourn_receipt (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    provider    TEXT NOT NULL,
    id          TEXT NOT NULL,
    event_type  TEXT NOT NULL,
    order_key   TEXT,
    scheme      TEXT NOT NULL,
    profile     TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    state       TEXT NOT NULL DEFAULT 'new',  -- new, failed, handled, dead
    due         INTEGER,
    behind      INTEGER NOT NULL,             -- one of its order key goes before it
    owner       TEXT,                         -- the worker that has it in hand
    attempt_no  INTEGER NOT NULL DEFAULT 0,
    retry_count INTEGER NOT NULL DEFAULT 0,
    duplicates  INTEGER NOT NULL DEFAULT 0,
    replays     INTEGER NOT NULL DEFAULT 0,
    handled_at  INTEGER,
    done        TEXT NOT NULL DEFAULT '[]',   -- the handlers that need not run again
    error       TEXT NOT NULL DEFAULT '',
    forgotten   INTEGER NOT NULL DEFAULT 0,   -- its body and its attempts were deleted
    UNIQUE (provider, id)
);
CREATE INDEX adjourn_receipt_due ON adjourn_receipt (due)
    WHERE owner IS NULL AND due IS NOT NULL AND NOT behind;
CREATE INDEX adjourn_receipt_owner ON adjourn_receipt (owner) WHERE owner IS NOT NULL;
CREATE INDEX adjourn_receipt_order ON adjourn_receipt (order_key)
    WHERE order_key IS NOT NULL AND due IS NOT NULL;
CREATE INDEX adjourn_receipt_in_hand ON adjourn_receipt (order_key)
    WHERE order_key IS NOT NULL AND owner IS NOT NULL;
CREATE INDEX adjourn_receipt_open ON adjourn_receipt (state) WHERE state <> 'handled';
CREATE INDEX adjourn_receipt_handled ON adjourn_receipt (handled_at) WHERE state = 'handled' AND NOT forgotten;

CREATE TABLE adjourn_receipt_body (
    seq  INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

CREATE TABLE adjourn_receipt_attempt (
    seq         INTEGER NOT NULL,
    no          INTEGER NOT NULL,
    worker      TEXT NOT NULL,
    at          INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    error       TEXT NOT NULL,
    PRIMARY KEY (seq, no, worker)
) WITHOUT ROWID;

CREATE TABLE adjourn_inbox_worker (
    id         TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
