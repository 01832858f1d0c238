-- The run that did again, and well, what a failed run did not: it needs nobody any more.
ALTER TABLE run ADD COLUMN mended_by INTEGER;
UPDATE run SET mended_by = (
    SELECT min(newer.id) FROM run AS newer WHERE newer.flow_id = run.flow_id
        AND newer.event_id = run.event_id AND newer.item_id = run.item_id
        AND newer.replay > run.replay AND newer.state IN ('succeeded', 'filtered')
) WHERE state = 'failed';
CREATE INDEX run_amiss ON run (tenant, state, id) WHERE state = 'failed' AND mended_by IS NULL;
CREATE INDEX run_mended ON run (tenant, state, id) WHERE mended_by IS NOT NULL;
DROP INDEX run_event;
CREATE INDEX run_event ON run (event_id, tenant, state, replay, mended_by);

-- The events of a record, where an event names few: the text of a long list is no key.
CREATE INDEX event_ids ON event (ids, id) WHERE length(ids) < 200;

-- When somebody asked for a sweep at once, and what the last one told.
ALTER TABLE sweep ADD COLUMN asked_at REAL NOT NULL DEFAULT 0;
ALTER TABLE sweep ADD COLUMN told TEXT;
