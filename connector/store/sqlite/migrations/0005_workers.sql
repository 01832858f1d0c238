-- Which process has an event or a run in hand; empty where nobody has, or where one drives all.
ALTER TABLE event ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN owner TEXT NOT NULL DEFAULT '';
-- Counts the changes of a write, so that two who have read the same state cannot both go on.
ALTER TABLE effect ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
