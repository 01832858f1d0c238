-- Which write of ours has made a record: asked of each record that is found in an app after a doubt,
-- and of one that a person adopts.
CREATE INDEX effect_remote ON effect (connection_id, remote_id) WHERE remote_id IS NOT NULL;
