-- Which process has an event or a run in hand; empty where nobody has, or where one drives all.
ALTER TABLE event ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN owner TEXT NOT NULL DEFAULT '';
-- Counts the changes of a write, so that two who have read the same state cannot both go on.
ALTER TABLE effect ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- A process that drives runs. Its connections bear one name (application_name): when it falls
-- silent, whoever notices ends them, and with them the locks and the half transactions of a
-- process that may only be paused.
CREATE TABLE worker (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    beat_at DOUBLE PRECISION NOT NULL,
    connections TEXT NOT NULL
);

CREATE INDEX run_ready ON run (tenant, due_at, id) WHERE finished_at IS NULL AND owner = ''
    AND NOT (state = 'waiting' AND reason LIKE 'connection:%');
CREATE INDEX run_lane ON run (flow_id, item_id, id) WHERE finished_at IS NULL AND ordered = 1;
CREATE INDEX run_held ON run (owner) WHERE finished_at IS NULL AND owner <> '';
CREATE INDEX event_ready ON event (tenant, id) WHERE state = 'received' AND owner = '';
CREATE INDEX event_held ON event (tenant, connection_id, resource, account)
    WHERE state = 'received' AND owner <> '';
DROP INDEX event_open;
