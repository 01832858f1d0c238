-- A change may be told twice, by the app's event and by a sweep that found it: who told what.
-- Moments are seconds on the app's own wall, whatever its zone; 0 is never.
ALTER TABLE resource_snapshot ADD COLUMN made TEXT NOT NULL DEFAULT '';
ALTER TABLE resource_snapshot ADD COLUMN told_to REAL NOT NULL DEFAULT 0;
ALTER TABLE resource_snapshot ADD COLUMN swept_to REAL NOT NULL DEFAULT 0;
ALTER TABLE resource_snapshot ADD COLUMN swept_by INTEGER NOT NULL DEFAULT 0;

-- What sweeps found is counted often, and is rare.
CREATE INDEX event_swept ON event (tenant, received_at) WHERE delivery_id LIKE 'sweep:%';

-- Which records our own writes have made or changed: what the app then tells is an echo.
CREATE TABLE origin (
    tenant TEXT NOT NULL,
    realm TEXT NOT NULL,
    place TEXT NOT NULL,
    item_id TEXT NOT NULL,
    effect_key TEXT NOT NULL,
    run_id INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    flows TEXT NOT NULL,
    made INTEGER NOT NULL,
    sent_at REAL NOT NULL,
    done_at REAL NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (tenant, realm, place, item_id, effect_key)
) WITHOUT ROWID;
CREATE INDEX origin_age ON origin (tenant, done_at);

-- What a person must know although work goes on, one of a kind and place at a time.
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    account TEXT NOT NULL,
    since REAL NOT NULL,
    message TEXT NOT NULL,
    remedy TEXT NOT NULL,
    details TEXT,
    ended_at REAL
);
CREATE UNIQUE INDEX alarm_open ON alarm (tenant, kind, connection_id, account)
    WHERE ended_at IS NULL;
