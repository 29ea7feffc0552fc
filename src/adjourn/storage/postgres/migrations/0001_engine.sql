-- The engine's tables, as storage/sqlite/migrations makes them, with what many nodes and years of traffic need.
-- Times are milliseconds since 1970, UTC; ids that people give are compared byte by byte (COLLATE "C").
-- No foreign keys on the hot tables. Their partitions are made day by day: partitions.py.

CREATE TABLE adjourn_schema (
    version integer PRIMARY KEY
);

CREATE TABLE setting (
    name  text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);

CREATE TABLE app (
    id                    text COLLATE "C" PRIMARY KEY,
    version               bigint NOT NULL,
    provider              text NOT NULL,
    name                  text NOT NULL,
    description           text,
    company_name          text NOT NULL,
    client_id             text COLLATE "C" UNIQUE,
    primary_contact_email text NOT NULL,
    webhook_url           text,
    webhook_enabled       boolean NOT NULL,
    webhook_filter        text,
    status                text NOT NULL,          -- active, suspended, inactive, deleted
    slug                  text,
    options               text NOT NULL,
    disabled              text,                   -- by whom, when and why webhooks are off
    discard_seq           bigint NOT NULL DEFAULT 0,  -- jobs up to this one are discarded
    drain_seq             bigint NOT NULL DEFAULT 0,  -- jobs up to this one are a backlog: delivered at a pace
    created_at            bigint NOT NULL,
    updated_at            bigint NOT NULL
);
CREATE INDEX app_discarding ON app (discard_seq) WHERE discard_seq > 0;
CREATE INDEX app_by_age ON app (created_at, id);
CREATE INDEX app_changed ON app (updated_at);     -- news.py looks for what it missed

-- Every node hears of it: news.py.
CREATE FUNCTION adjourn_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('adjourn_app', NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER adjourn_app_added AFTER INSERT ON app FOR EACH ROW EXECUTE FUNCTION adjourn_tell();
CREATE TRIGGER adjourn_app_changed AFTER UPDATE OF version ON app FOR EACH ROW EXECUTE FUNCTION adjourn_tell();

CREATE TABLE connection (
    user_id      text COLLATE "C" NOT NULL,
    app_id       text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    user_email   text NOT NULL,
    oauth_scopes text NOT NULL,
    status       text NOT NULL,
    created_at   bigint NOT NULL,
    updated_at   bigint NOT NULL,
    PRIMARY KEY (user_id, app_id)
);
CREATE INDEX connection_by_app ON connection (app_id, created_at, id);
CREATE UNIQUE INDEX connection_by_id ON connection (app_id, id);

CREATE TABLE automation (
    id           text COLLATE "C" PRIMARY KEY,
    app_id       text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    description  text,
    trigger_type text NOT NULL,
    actions      text NOT NULL,
    keywords     text NOT NULL,
    webhook_url  text,                            -- that of its webhook action
    status       text NOT NULL,                   -- active, inactive, deleted
    created_at   bigint NOT NULL,
    updated_at   bigint NOT NULL
);
CREATE INDEX automation_deleted ON automation (id) WHERE status = 'deleted';
CREATE INDEX automation_by_app ON automation (app_id, created_at, id) WHERE status <> 'deleted';

CREATE TABLE credential (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app_id        text COLLATE "C" NOT NULL,
    type          text COLLATE "C" NOT NULL,      -- api_key, client_secret, webhook_secret
    hash          bytea,                          -- of an API key or client secret
    sealed        bytea,                          -- a webhook secret
    created_at    bigint NOT NULL,                -- the first of its kind
    rotated_at    bigint,                         -- when this one took the place of another
    used_at       bigint,
    until         bigint,                         -- NULL: the current one; else it works on until then
    rollback_hash bytea                           -- of the token that makes it the current one again
);
CREATE INDEX credential_of_app ON credential (app_id, type);
CREATE UNIQUE INDEX credential_current ON credential (app_id, type) WHERE until IS NULL;
CREATE UNIQUE INDEX credential_by_key ON credential (hash) WHERE type = 'api_key';
CREATE INDEX credential_ending ON credential (until) WHERE until IS NOT NULL;

CREATE TABLE credential_event (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app_id text COLLATE "C" NOT NULL,
    type   text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    who    text NOT NULL,                         -- partner, internal, system; from where
    reason text,
    at     bigint NOT NULL
);
CREATE INDEX credential_event_by_app ON credential_event (app_id, id);

-- By day, and never changed: the id, a UUIDv7, begins with the time. JSON that only we read is bytea, some of it
-- shortened (sql/shorthand.py). Columns of fixed width come first: what follows others is padded.
CREATE TABLE publication (
    id            uuid NOT NULL,
    at            bigint NOT NULL,
    provider      text NOT NULL,
    event_type    text COLLATE "C" NOT NULL,
    timestamp     text NOT NULL,
    actor_user_id text,
    audience      bytea NOT NULL,
    data          bytea NOT NULL,
    verdicts      bytea NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE TABLE event (
    id             uuid NOT NULL,
    publication_id uuid NOT NULL,
    head           bytea NOT NULL,                -- body = head + data + "}"
    own_data       bytea,                         -- where the app reads the data under older names
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

-- No column that changes is in an index, and pages have room: updates stay on their page (HOT). What does not
-- change comes first: of an update only what lies between is logged.
CREATE TABLE delivery (
    id             uuid NOT NULL,
    event_id       uuid NOT NULL,
    lane_id        bigint NOT NULL,
    created_at     bigint NOT NULL,
    app_id         text COLLATE "C" NOT NULL,
    event_type     text COLLATE "C" NOT NULL,
    target         text COLLATE "C",              -- an automation's id, or a subject's callback; NULL: the app
    state          text NOT NULL,
    attempt_no     integer NOT NULL DEFAULT 0,
    retry_count    integer NOT NULL DEFAULT 0,
    http_status    integer,
    owner          bigint,                        -- the worker that has held it since it was published
    next_retry_at  bigint,
    delivered_at   bigint,
    retry_asked_at bigint,
    error          text NOT NULL DEFAULT '',
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX delivery_by_app ON delivery (app_id, id);

CREATE TABLE attempt (
    delivery_id      uuid NOT NULL,
    at               bigint NOT NULL,
    owner            bigint NOT NULL,
    no               integer NOT NULL,
    duration_ms      integer NOT NULL,
    http_status      integer,
    error            text NOT NULL,
    response         bytea NOT NULL,              -- of an endpoint: it may hold anything
    response_headers bytea NOT NULL,
    PRIMARY KEY (delivery_id, no, owner)
) PARTITION BY RANGE (delivery_id);

-- Unfinished work that is in no worker's memory, or came from here: small whatever the history. It carries what
-- an attempt needs, so that a claim reads one page of each; whoever moves a delivery tells its job. And a claim
-- writes that page alone (HOT): the owner is in no index, `claim` tells who took what.
CREATE TABLE job (
    seq         bigint GENERATED ALWAYS AS IDENTITY,
    delivery_id uuid PRIMARY KEY,
    lane_id     bigint NOT NULL,
    due         bigint NOT NULL,
    app_id      text COLLATE "C" NOT NULL,
    order_key   text COLLATE "C",
    owner       bigint,
    manual      boolean NOT NULL DEFAULT false,   -- one extra attempt, asked for by hand
    body        bytea,                            -- NULL: long, or made from afar; then what follows says nothing
    event_id    uuid,
    event_type  text COLLATE "C",
    state       text,
    attempt_no  integer,
    retry_count integer
) WITH (fillfactor = 50);
CREATE INDEX job_waiting ON job (lane_id, due, seq);
CREATE INDEX job_by_app ON job (app_id, seq);
CREATE INDEX job_in_order ON job (app_id, order_key, seq) WHERE order_key IS NOT NULL;
CREATE INDEX job_by_hand ON job (app_id) WHERE manual;

-- What workers took: every job that has an owner is in one of these, or is not below its owner's floor. Some of
-- what is in them has ended since.
CREATE TABLE claim (
    worker     bigint NOT NULL,
    id         bigint GENERATED ALWAYS AS IDENTITY,
    deliveries uuid[] STORAGE MAIN NOT NULL,
    PRIMARY KEY (worker, id)
);

-- One queue for each (app, target, origin of the URL). wake_at: nothing waits in it that is due before; NULL:
-- nothing to wake for. Whoever lets something wait lowers it, only a claim raises it, both under the row's lock.
CREATE TABLE lane (
    id      bigint PRIMARY KEY,
    app_id  text COLLATE "C" NOT NULL,
    origin  text NOT NULL,
    target  text COLLATE "C",
    wake_at bigint
) WITH (fillfactor = 70);
CREATE INDEX lane_waking ON lane (wake_at, id) WHERE wake_at IS NOT NULL;
CREATE INDEX lane_by_app ON lane (app_id);
CREATE INDEX lane_by_target ON lane (target) WHERE target IS NOT NULL;

-- A worker's number is made of its id: workers.py.
CREATE TABLE worker (
    id         bigint PRIMARY KEY,
    expires_at bigint NOT NULL,
    floor      uuid NOT NULL                      -- it owns nothing below that was claimed as it was published
) WITH (fillfactor = 50);

-- Who follows the news, and when it last said so, by this server's own clock.
CREATE TABLE follower (
    id      text COLLATE "C" PRIMARY KEY,
    seen_at bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE idempotency (
    scope     text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    body_hash bytea NOT NULL,
    status    integer NOT NULL,
    body      bytea NOT NULL,
    sealed    boolean NOT NULL,
    at        bigint NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_by_age ON idempotency (at);

-- Apart from app: written often.
CREATE TABLE health (
    app_id       text COLLATE "C" PRIMARY KEY,
    enabled_at   bigint NOT NULL,                 -- when webhooks were last enabled
    abandoned    bigint NOT NULL DEFAULT 0,       -- deliveries whose retries were exhausted since
    succeeded_at bigint,
    failed_first bigint,                          -- since the last success
    failed_last  bigint,
    exhausted_at bigint,                          -- since the last success
    warned_at    bigint                           -- since the last enabling
) WITH (fillfactor = 50);
CREATE INDEX health_ailing ON health (app_id) WHERE abandoned > 0 OR failed_first IS NOT NULL;

-- Mails, written in the transaction that causes them.
CREATE TABLE notice (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app_id     text COLLATE "C" NOT NULL,
    kind       text NOT NULL,
    facts      text NOT NULL,
    created_at bigint NOT NULL,
    due        bigint NOT NULL,
    state      text NOT NULL,                     -- waiting, sent, failed, not_configured
    tries      integer NOT NULL DEFAULT 0,
    sent_at    bigint,
    error      text NOT NULL DEFAULT ''
);
CREATE INDEX notice_waiting ON notice (due) WHERE state = 'waiting';
CREATE INDEX notice_by_app ON notice (app_id, id);

CREATE TABLE replay (
    id          text COLLATE "C" PRIMARY KEY,
    app_id      text COLLATE "C" NOT NULL,
    status      text NOT NULL,                    -- running, done, cancelled
    state       text,                             -- what it retries: of this state, type, time; NULL: any
    event_type  text COLLATE "C",
    since       bigint,
    until       bigint,
    up_to       text COLLATE "C" NOT NULL,        -- deliveries made after it was asked for have a higher id
    cursor      text COLLATE "C" NOT NULL DEFAULT '',  -- the last delivery it looked at
    total       bigint NOT NULL,
    scheduled   bigint NOT NULL DEFAULT 0,
    skipped     bigint NOT NULL DEFAULT 0,
    created_at  bigint NOT NULL,
    finished_at bigint
);
CREATE INDEX replay_by_app ON replay (app_id, id);
CREATE INDEX replay_running ON replay (id) WHERE status = 'running';

-- What vendors' clients name in later calls: bots, and the callbacks that they have of their own.
CREATE TABLE subject (
    app_id               text COLLATE "C" NOT NULL,
    id                   text COLLATE "C" NOT NULL,
    event_id             uuid,                    -- its last final event
    delivery_id          uuid,                    -- of that event to the app's URL
    callback_delivery_id uuid,                    -- and to its callback
    heard_at             bigint NOT NULL,         -- when it was last published about, or called about
    callback_url         text,
    callback_secret      bytea,                   -- sealed
    callback_method      text,
    PRIMARY KEY (app_id, id)
);
CREATE INDEX subject_by_age ON subject (heard_at);

-- Queues: rows live for seconds, and what is dead in an index costs each look.
ALTER TABLE job SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
                     autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_analyze_scale_factor = 0.2,
                     autovacuum_vacuum_cost_delay = 0);
ALTER TABLE lane SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500,
                      autovacuum_vacuum_cost_delay = 0);
ALTER TABLE claim SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE worker SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
ALTER TABLE follower SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE health SET (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 500);
