-- A deleted flow keeps its row and its versions: its runs and writes still name them, and a flow
-- that is made again with its key must not write anew what it wrote.
ALTER TABLE flow ADD COLUMN deleted_at REAL;

-- What somebody is building; `flow` is the key of a stored flow, or ~ and a number of its own.
CREATE TABLE flow_draft (
    tenant TEXT NOT NULL,
    flow TEXT NOT NULL,
    document TEXT NOT NULL,
    -- Counts every change, so that two people who change one draft notice each other.
    version INTEGER NOT NULL,
    -- The version of the flow that it was begun from; 0 for a new flow.
    base INTEGER NOT NULL,
    who TEXT NOT NULL,
    saved_at REAL NOT NULL,
    PRIMARY KEY (tenant, flow)
) WITHOUT ROWID;

-- The sample that a flow is shown with, and its tests (name '' is the sample).
CREATE TABLE flow_sample (
    tenant TEXT NOT NULL,
    flow TEXT NOT NULL,
    name TEXT NOT NULL,
    content TEXT NOT NULL,
    -- Whether it holds a record of somebody: it is then kept no longer than what runs work on.
    personal INTEGER NOT NULL,
    who TEXT NOT NULL,
    saved_at REAL NOT NULL,
    PRIMARY KEY (tenant, flow, name)
) WITHOUT ROWID;
