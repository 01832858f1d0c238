-- How much there is in a state is counted from an index, and no further than it is told.
CREATE INDEX event_matched ON event (tenant, id) WHERE state = 'matched';
