-- When a tenant is to be looked after next, for each thing that is done beside its runs. One process
-- does it for all, and asks for what is due: a tenant that waits costs nothing.
CREATE TABLE duty (
    tenant TEXT NOT NULL,
    what TEXT NOT NULL,
    -- Counted down below 0 by each change of what is set up, so that none is lost while one looks.
    due_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (tenant, what)
);
CREATE INDEX duty_due ON duty (what, due_at);
INSERT INTO duty (tenant, what, due_at)
    SELECT tenant.id, known.what, 0 FROM tenant CROSS JOIN (
        SELECT 'sweeps' AS what UNION ALL SELECT 'watches' UNION ALL SELECT 'polls'
        UNION ALL SELECT 'subscriptions'
    ) AS known;

-- Whether a later run of a lane is at work is asked of each that may be claimed: without it, all the
-- runs behind the head of a long lane were read.
CREATE INDEX run_lane_held ON run (flow_id, item_id)
    WHERE finished_at IS NULL AND ordered = 1 AND owner <> '';

-- How many writes are in each state is counted without reading them. It does not begin with the
-- tenant: a question for the writes of a run would be answered by it.
CREATE INDEX effect_state ON effect (state, tenant);
