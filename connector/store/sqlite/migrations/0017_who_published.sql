-- Who stored a version of a flow; empty for those from before it was kept.
ALTER TABLE flow_version ADD COLUMN who TEXT NOT NULL DEFAULT '';
