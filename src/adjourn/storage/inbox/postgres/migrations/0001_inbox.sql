-- The inbox's tables, as storage/inbox/sqlite/migrations makes them; they may lie beside the user's own.
-- Times are milliseconds since 1970, UTC; what people give is compared byte by byte (COLLATE "C").

CREATE TABLE adjourn_inbox_schema (
    version integer PRIMARY KEY
);

CREATE SEQUENCE adjourn_receipt_seq;

-- One row for each event, for good. Unfinished while `due` is set.
CREATE TABLE adjourn_receipt (
    seq         bigint PRIMARY KEY DEFAULT nextval('adjourn_receipt_seq'),
    provider    text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    event_type  text COLLATE "C" NOT NULL,
    order_key   text COLLATE "C",
    scheme      text NOT NULL,
    profile     text NOT NULL,
    received_at bigint NOT NULL,
    state       text COLLATE "C" NOT NULL DEFAULT 'new',  -- new, failed, handled, dead
    due         bigint,
    behind      boolean NOT NULL,                         -- one of its order key goes before it
    owner       text COLLATE "C",                         -- the worker that has it in hand
    attempt_no  bigint NOT NULL DEFAULT 0,
    retry_count bigint NOT NULL DEFAULT 0,
    duplicates  bigint NOT NULL DEFAULT 0,
    replays     bigint NOT NULL DEFAULT 0,
    handled_at  bigint,
    done        text NOT NULL DEFAULT '[]',               -- the handlers that need not run again
    error       text NOT NULL DEFAULT '',
    forgotten   boolean NOT NULL DEFAULT FALSE,           -- its body and its attempts were deleted
    UNIQUE (provider, id)
);
ALTER SEQUENCE adjourn_receipt_seq OWNED BY adjourn_receipt.seq;
CREATE INDEX adjourn_receipt_due ON adjourn_receipt (due, seq)
    WHERE owner IS NULL AND due IS NOT NULL AND NOT behind;
CREATE INDEX adjourn_receipt_owner ON adjourn_receipt (owner) WHERE owner IS NOT NULL;
CREATE INDEX adjourn_receipt_order ON adjourn_receipt (order_key, seq)
    WHERE order_key IS NOT NULL AND due IS NOT NULL;
CREATE INDEX adjourn_receipt_in_hand ON adjourn_receipt (order_key)
    WHERE order_key IS NOT NULL AND owner IS NOT NULL;
CREATE INDEX adjourn_receipt_open ON adjourn_receipt (state, seq) WHERE state <> 'handled';
CREATE INDEX adjourn_receipt_handled ON adjourn_receipt (handled_at) WHERE state = 'handled' AND NOT forgotten;

CREATE TABLE adjourn_receipt_body (
    seq  bigint PRIMARY KEY,
    body bytea NOT NULL
);

CREATE TABLE adjourn_receipt_attempt (
    seq         bigint NOT NULL,
    no          bigint NOT NULL,
    worker      text COLLATE "C" NOT NULL,
    at          bigint NOT NULL,
    duration_ms bigint NOT NULL,
    error       text NOT NULL,
    PRIMARY KEY (seq, no, worker)
);

CREATE TABLE adjourn_inbox_worker (
    id         text COLLATE "C" PRIMARY KEY,
    expires_at bigint NOT NULL
);
