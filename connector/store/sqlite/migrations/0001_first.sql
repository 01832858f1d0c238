-- Times are seconds since 1970 (REAL). JSON is text. Every row belongs to one tenant.

CREATE TABLE tenant (
    id TEXT PRIMARY KEY,
    created_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE connection (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    app TEXT NOT NULL,
    name TEXT NOT NULL,
    base_url TEXT NOT NULL,
    settings TEXT NOT NULL DEFAULT '{}',
    status TEXT NOT NULL DEFAULT 'active',
    secrets BLOB,
    version INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE hook (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    connection_id TEXT NOT NULL REFERENCES connection (id),
    url TEXT NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    verify_until REAL,
    subscription TEXT,
    created_at REAL NOT NULL,
    UNIQUE (connection_id, account)
);

CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    type TEXT NOT NULL,
    resource TEXT NOT NULL,
    operation TEXT NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    happened_at TEXT NOT NULL DEFAULT '',
    ids TEXT NOT NULL,
    received_at REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'received',
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL DEFAULT 0,
    error TEXT,
    -- CloudEvents asks for unique ids within a source: two connections may see the same one.
    UNIQUE (connection_id, delivery_id)
);
CREATE INDEX event_open ON event (due_at) WHERE state = 'received';

CREATE TABLE flow (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    key TEXT NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    created_at REAL NOT NULL,
    UNIQUE (tenant, key)
);

CREATE TABLE flow_version (
    flow_id INTEGER NOT NULL REFERENCES flow (id),
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    created_at REAL NOT NULL,
    PRIMARY KEY (flow_id, version)
) WITHOUT ROWID;

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    flow_id INTEGER NOT NULL,
    flow_version INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    item_id TEXT NOT NULL,
    replay INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    reason TEXT,
    context TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL DEFAULT 0,
    -- Whether it waits for the earlier runs of its flow about the same record.
    ordered INTEGER NOT NULL DEFAULT 1,
    created_at REAL NOT NULL,
    finished_at REAL,
    error TEXT,
    -- One run a flow, event and record: matching an event twice changes nothing.
    UNIQUE (flow_id, event_id, item_id, replay)
);
CREATE INDEX run_open ON run (id) WHERE finished_at IS NULL;
CREATE INDEX run_event ON run (event_id);

CREATE TABLE step (
    run_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    summary TEXT,
    output TEXT,
    error TEXT,
    exchange TEXT,
    started_at REAL NOT NULL,
    finished_at REAL NOT NULL,
    PRIMARY KEY (run_id, position)
) WITHOUT ROWID;

CREATE TABLE effect (
    key TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    run_id INTEGER NOT NULL,
    step_id TEXT NOT NULL,
    node TEXT NOT NULL,
    state TEXT NOT NULL,
    marker TEXT NOT NULL,
    -- The natural key of the record, so that two writes of one customer know of each other.
    natural_key TEXT NOT NULL DEFAULT '',
    -- Ids of what looked like this record before it was sent: never to be taken for it.
    known TEXT,
    inputs TEXT NOT NULL,
    request BLOB,
    payload_hash TEXT NOT NULL DEFAULT '',
    sends INTEGER NOT NULL DEFAULT 0,
    searches INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL DEFAULT 0,
    sent_at REAL,
    remote_id TEXT,
    output TEXT,
    evidence TEXT,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX effect_natural ON effect (tenant, connection_id, natural_key)
    WHERE natural_key != '';
CREATE INDEX effect_open ON effect (tenant, state) WHERE state IN ('uncertain', 'parked');

-- What a person decided, and who it was; never deleted.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT
);

CREATE TABLE consent (
    state TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    request TEXT NOT NULL,
    expires_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE instance (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- 'revision' counts every change of what is set up, so that other processes notice it.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES ('revision', 0), ('ping', 0);
