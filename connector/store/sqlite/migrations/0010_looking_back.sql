-- What the app answered last to a write, as it may be shown.
ALTER TABLE effect ADD COLUMN answer TEXT;

-- Looking back at runs by end, by flow, by record and by time, without reading their payloads.
-- None of these begins with the tenant and holds every row: a list in the order of the numbers
-- would be read by it, and sorted.
CREATE INDEX run_state ON run (tenant, state, id) WHERE finished_at IS NOT NULL;
CREATE INDEX run_waits ON run (tenant, state, id) WHERE finished_at IS NULL;
CREATE INDEX run_flow ON run (flow_id, id);
CREATE INDEX run_item ON run (item_id, id);
CREATE INDEX run_made ON run (created_at);
CREATE INDEX run_end ON run (tenant, finished_at, state, flow_id, replay, event_id)
    WHERE finished_at IS NOT NULL;
-- What became of the events of a time: their runs are counted by the events' numbers alone.
DROP INDEX run_event;
CREATE INDEX run_event ON run (event_id, tenant, state, replay);
CREATE INDEX event_time ON event (received_at, tenant, state);
CREATE INDEX event_state ON event (tenant, state, id)
    WHERE state IN ('unmatched', 'silent', 'failed');
