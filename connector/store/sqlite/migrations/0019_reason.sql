-- How many runs wait for one connection is told on each page of its flows.
CREATE INDEX run_reason ON run (tenant, reason, finished_at) WHERE finished_at IS NULL AND reason IS NOT NULL;
