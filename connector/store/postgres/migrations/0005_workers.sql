-- Which process has an event or a run in hand; empty where nobody has, or where one drives all.
ALTER TABLE event ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN owner TEXT NOT NULL DEFAULT '';
-- Counts the changes of a write, so that two who have read the same state cannot both go on.
ALTER TABLE effect ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- A process that drives runs. Its session at the database holds its locks: when it falls silent,
-- that session is ended by whoever notices, and by nothing else can it be known.
CREATE TABLE worker (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    beat_at DOUBLE PRECISION NOT NULL,
    session INTEGER NOT NULL,
    session_started DOUBLE PRECISION NOT NULL
);

CREATE INDEX run_ready ON run (tenant, due_at, id) WHERE finished_at IS NULL AND owner = '';
CREATE INDEX run_lane ON run (flow_id, item_id, id) WHERE finished_at IS NULL AND ordered = 1;
CREATE INDEX run_held ON run (owner) WHERE finished_at IS NULL AND owner <> '';
CREATE INDEX event_ready ON event (tenant, id) WHERE state = 'received' AND owner = '';
CREATE INDEX event_held ON event (tenant, connection_id, resource, account)
    WHERE state = 'received' AND owner <> '';
DROP INDEX event_open;
