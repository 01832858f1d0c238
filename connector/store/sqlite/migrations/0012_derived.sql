-- Since when a flow of a derived trigger watches what, and whether it knows where things stood then.
CREATE TABLE derived_watch (
    tenant TEXT NOT NULL,
    flow_id INTEGER NOT NULL,
    -- What it watches: trigger, connection and account; another one begins anew.
    subject TEXT NOT NULL,
    since REAL NOT NULL,
    -- When its baseline was read; empty until then, and its events wait.
    ready_at REAL,
    -- The date of its last daily look.
    looked_on TEXT NOT NULL,
    PRIMARY KEY (tenant, flow_id)
) WITHOUT ROWID;

-- The newest state of a record as a flow of a derived trigger has judged it. A newer one is a new
-- row beside the deletion of the old: of two that were worked out from the same, one is refused.
CREATE TABLE derived_state (
    tenant TEXT NOT NULL,
    flow_id INTEGER NOT NULL,
    place TEXT NOT NULL,
    item_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    -- In the app's own words, as the record dated itself.
    updated_at TEXT NOT NULL,
    seen_at REAL NOT NULL,
    PRIMARY KEY (tenant, flow_id, place, item_id, version)
) WITHOUT ROWID;

-- What a list of an app that sends no events showed last: what is not here is new, what has another
-- digest was changed. The row without a record says that the first look has ended.
CREATE TABLE polled (
    tenant TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    account TEXT NOT NULL,
    resource TEXT NOT NULL,
    item_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    -- How often it was seen changed, so that each change is an event of its own.
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant, connection_id, account, resource, item_id)
) WITHOUT ROWID;
