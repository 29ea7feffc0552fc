-- The engine's tables: ENGINE.md, "Tables". Times are milliseconds since 1970, UTC.
-- No foreign keys on the hot tables; `state` and `owner` are in no index of delivery.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE app (
    id                    TEXT PRIMARY KEY,
    version               INTEGER NOT NULL,
    provider              TEXT NOT NULL,
    name                  TEXT NOT NULL,
    description           TEXT,
    company_name          TEXT NOT NULL,
    client_id             TEXT UNIQUE,
    primary_contact_email TEXT NOT NULL,
    webhook_url           TEXT,
    webhook_enabled       INTEGER NOT NULL,
    webhook_filter        TEXT,
    status                TEXT NOT NULL,          -- active, suspended, inactive, deleted
    slug                  TEXT,
    options               TEXT NOT NULL,
    api_key_hash          BLOB UNIQUE,
    client_secret_hash    BLOB,
    webhook_secret        BLOB NOT NULL,          -- sealed
    discard_seq           INTEGER NOT NULL DEFAULT 0,  -- jobs up to this one are discarded
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL
) STRICT;
CREATE INDEX app_discarding ON app (discard_seq) WHERE discard_seq > 0;

CREATE TABLE connection (
    user_id      TEXT NOT NULL,
    app_id       TEXT NOT NULL,
    id           TEXT NOT NULL,
    user_email   TEXT NOT NULL,
    oauth_scopes TEXT NOT NULL,
    status       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (user_id, app_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX connection_by_app ON connection (app_id, created_at, id);
CREATE UNIQUE INDEX connection_by_id ON connection (app_id, id);

CREATE TABLE publication (
    id            TEXT PRIMARY KEY,
    at            INTEGER NOT NULL,
    provider      TEXT NOT NULL,
    event_type    TEXT NOT NULL,
    timestamp     TEXT NOT NULL,
    actor_user_id TEXT,
    audience      TEXT NOT NULL,
    data          BLOB NOT NULL,
    verdicts      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    id             TEXT PRIMARY KEY,
    publication_id TEXT NOT NULL,
    app_id         TEXT NOT NULL,
    user_id        TEXT,
    head           BLOB NOT NULL,                 -- body = head + data + "}"
    own_data       BLOB                           -- where the app reads the data under older names
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
    id             TEXT PRIMARY KEY,
    app_id         TEXT NOT NULL,
    event_id       TEXT NOT NULL,
    event_type     TEXT NOT NULL,
    lane_id        INTEGER NOT NULL,
    state          TEXT NOT NULL,
    owner          TEXT,                          -- the worker that has held it since it was published
    attempt_no     INTEGER NOT NULL DEFAULT 0,
    retry_count    INTEGER NOT NULL DEFAULT 0,
    http_status    INTEGER,
    error          TEXT NOT NULL DEFAULT '',
    next_retry_at  INTEGER,
    delivered_at   INTEGER,
    retry_asked_at INTEGER,
    created_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_by_app ON delivery (app_id, id);

CREATE TABLE attempt (
    delivery_id      TEXT NOT NULL,
    no               INTEGER NOT NULL,
    owner            TEXT NOT NULL,
    at               INTEGER NOT NULL,
    duration_ms      INTEGER NOT NULL,
    http_status      INTEGER,
    error            TEXT NOT NULL,
    response         TEXT NOT NULL,
    response_headers TEXT NOT NULL,
    PRIMARY KEY (delivery_id, no, owner)
) STRICT, WITHOUT ROWID;

-- Unfinished work that is in no worker's memory, or came from here: small whatever the history.
CREATE TABLE job (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id TEXT NOT NULL UNIQUE,
    app_id      TEXT NOT NULL,
    lane_id     INTEGER NOT NULL,
    due         INTEGER NOT NULL,
    owner       TEXT,
    order_key   TEXT,
    manual      INTEGER NOT NULL DEFAULT 0        -- one extra attempt, asked for by hand
) STRICT;
CREATE INDEX job_waiting ON job (lane_id, due) WHERE owner IS NULL;
CREATE INDEX job_owned ON job (owner) WHERE owner IS NOT NULL;
CREATE INDEX job_by_app ON job (app_id, seq);
CREATE INDEX job_in_order ON job (app_id, order_key, seq) WHERE order_key IS NOT NULL;

-- One queue for each (app, origin of the URL). wake_at NULL: nothing to wake for.
CREATE TABLE lane (
    id      INTEGER PRIMARY KEY,
    app_id  TEXT NOT NULL,
    origin  TEXT NOT NULL,
    wake_at INTEGER
) STRICT;
CREATE INDEX lane_waking ON lane (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX lane_by_app ON lane (app_id);

CREATE TABLE worker (
    id         TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    floor      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    scope     TEXT NOT NULL,
    key       TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    status    INTEGER NOT NULL,
    body      BLOB NOT NULL,
    sealed    INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (at);
