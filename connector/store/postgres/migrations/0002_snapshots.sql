-- The newest state of a record that a flow has handled, as the app dates it: an older one that
-- arrives later (a list that lags, a read that overtook another) must not overwrite it.
CREATE TABLE resource_snapshot (
    tenant TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    account TEXT NOT NULL,
    resource TEXT NOT NULL,
    item_id TEXT NOT NULL,
    flow_id BIGINT NOT NULL,
    -- In the app's own words: its zone is not always told.
    updated_at TEXT NOT NULL,
    seen_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (tenant, connection_id, account, resource, item_id, flow_id)
);
