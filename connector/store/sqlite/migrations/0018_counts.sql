-- How much there is in a state is counted from an index, and no further than it is told. SQLite reads
-- the row as well unless the index holds each column that is asked of, those of its condition too.
DROP INDEX event_open;
CREATE INDEX event_open ON event (tenant, id, owner, state) WHERE state = 'received';
CREATE INDEX event_matched ON event (tenant, state) WHERE state = 'matched';
DROP INDEX run_state;
CREATE INDEX run_state ON run (tenant, state, id, finished_at) WHERE finished_at IS NOT NULL;
