-- What partners manage themselves: automations, credentials with their grace period, health and notices,
-- replays. An app's keys move out of its row; a lane and a delivery name their target.

CREATE TABLE credential (
    id            INTEGER PRIMARY KEY,
    app_id        TEXT NOT NULL,
    type          TEXT NOT NULL,                  -- api_key, client_secret, webhook_secret
    hash          BLOB,                           -- of an API key or client secret
    sealed        BLOB,                           -- a webhook secret
    created_at    INTEGER NOT NULL,               -- the first of its kind
    rotated_at    INTEGER,                        -- when this one took the place of another
    used_at       INTEGER,
    until         INTEGER,                        -- NULL: the current one; else it works on until then
    rollback_hash BLOB                            -- of the token that makes it the current one again
) STRICT;
CREATE INDEX credential_of_app ON credential (app_id, type);
CREATE UNIQUE INDEX credential_current ON credential (app_id, type) WHERE until IS NULL;
CREATE UNIQUE INDEX credential_by_key ON credential (hash) WHERE type = 'api_key';
CREATE INDEX credential_ending ON credential (until) WHERE until IS NOT NULL;

CREATE TABLE credential_event (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    app_id     TEXT NOT NULL,
    type       TEXT NOT NULL,
    action     TEXT NOT NULL,
    who        TEXT NOT NULL,                     -- partner, internal, system; from where
    reason     TEXT,
    at         INTEGER NOT NULL
) STRICT;
CREATE INDEX credential_event_by_app ON credential_event (app_id, id);

INSERT INTO credential (app_id, type, hash, created_at)
SELECT id, 'api_key', api_key_hash, created_at FROM app WHERE api_key_hash IS NOT NULL;
INSERT INTO credential (app_id, type, hash, created_at)
SELECT id, 'client_secret', client_secret_hash, created_at FROM app WHERE client_secret_hash IS NOT NULL;
INSERT INTO credential (app_id, type, sealed, created_at)
SELECT id, 'webhook_secret', webhook_secret, created_at FROM app WHERE status <> 'deleted';

CREATE TABLE new_app (
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
    disabled              TEXT,                   -- by whom, when and why webhooks are off
    discard_seq           INTEGER NOT NULL DEFAULT 0,  -- jobs up to this one are discarded
    drain_seq             INTEGER NOT NULL DEFAULT 0,  -- jobs up to this one are a backlog: delivered at a pace
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL
) STRICT;
INSERT INTO new_app
SELECT id, version, provider, name, description, company_name, client_id, primary_contact_email, webhook_url,
       webhook_enabled, webhook_filter, status, slug, options, NULL, discard_seq, 0, created_at, updated_at
FROM app;
DROP TABLE app;
ALTER TABLE new_app RENAME TO app;
CREATE INDEX app_discarding ON app (discard_seq) WHERE discard_seq > 0;

CREATE TABLE automation (
    id           TEXT PRIMARY KEY,
    app_id       TEXT NOT NULL,
    name         TEXT NOT NULL,
    description  TEXT,
    trigger_type TEXT NOT NULL,
    actions      TEXT NOT NULL,
    keywords     TEXT NOT NULL,
    webhook_url  TEXT,                            -- that of its webhook action
    status       TEXT NOT NULL,                   -- active, inactive, deleted
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX automation_deleted ON automation (id) WHERE status = 'deleted';
CREATE INDEX automation_by_app ON automation (app_id, created_at, id) WHERE status <> 'deleted';

ALTER TABLE delivery ADD COLUMN target TEXT;      -- an automation's id; NULL: the app
ALTER TABLE lane ADD COLUMN target TEXT;
CREATE INDEX lane_by_target ON lane (target) WHERE target IS NOT NULL;

-- Apart from app: written often.
CREATE TABLE health (
    app_id       TEXT PRIMARY KEY,
    enabled_at   INTEGER NOT NULL,                -- when webhooks were last enabled
    abandoned    INTEGER NOT NULL DEFAULT 0,      -- deliveries whose retries were exhausted since
    succeeded_at INTEGER,
    failed_first INTEGER,                         -- since the last success
    failed_last  INTEGER,
    exhausted_at INTEGER,                         -- since the last success
    warned_at    INTEGER                          -- since the last enabling
) STRICT, WITHOUT ROWID;
CREATE INDEX health_ailing ON health (app_id) WHERE abandoned > 0 OR failed_first IS NOT NULL;
INSERT INTO health (app_id, enabled_at)
SELECT id, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) FROM app WHERE status <> 'deleted';

-- Mails, written in the transaction that causes them.
CREATE TABLE notice (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    app_id     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    facts      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    state      TEXT NOT NULL,                     -- waiting, sent, failed, not_configured
    tries      INTEGER NOT NULL DEFAULT 0,
    sent_at    INTEGER,
    error      TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX notice_waiting ON notice (due) WHERE state = 'waiting';
CREATE INDEX notice_by_app ON notice (app_id, id);

CREATE TABLE replay (
    id          TEXT PRIMARY KEY,
    app_id      TEXT NOT NULL,
    status      TEXT NOT NULL,                    -- running, done, cancelled
    state       TEXT,                             -- what it retries: of this state, type, time; NULL: any
    event_type  TEXT,
    since       INTEGER,
    until       INTEGER,
    up_to       TEXT NOT NULL,                    -- deliveries made after it was asked for have a higher id
    cursor      TEXT NOT NULL DEFAULT '',         -- the last delivery it looked at
    total       INTEGER NOT NULL,
    scheduled   INTEGER NOT NULL DEFAULT 0,
    skipped     INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX replay_by_app ON replay (app_id, id);
CREATE INDEX replay_running ON replay (id) WHERE status = 'running';
CREATE INDEX job_by_hand ON job (app_id) WHERE manual;
