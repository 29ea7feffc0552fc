-- What vendors' clients name in later calls: bots, and the callbacks that they have of their own.

CREATE TABLE subject (
    app_id               TEXT NOT NULL,
    id                   TEXT NOT NULL,
    event_id             TEXT,                    -- its last final event
    delivery_id          TEXT,                    -- of that event to the app's URL
    callback_delivery_id TEXT,                    -- and to its callback
    callback_url         TEXT,
    callback_secret      BLOB,                    -- sealed
    callback_method      TEXT,
    heard_at             INTEGER NOT NULL,        -- when it was last published about, or called about
    PRIMARY KEY (app_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX subject_by_age ON subject (heard_at);
