-- The writes of a run are found when it is looked at, and when its payloads are removed.
CREATE INDEX effect_run ON effect (run_id);
