-- How far the sweeps have looked for changes that no event told of, in one resource of an account.
CREATE TABLE sweep (
    tenant TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    account TEXT NOT NULL,
    resource TEXT NOT NULL,
    -- The changes that were wanted then, as words with spaces between.
    operations TEXT NOT NULL,
    -- The newest change that was seen, and the one up to which nothing is ever looked for.
    newest TEXT NOT NULL,
    floor TEXT NOT NULL,
    swept_at REAL NOT NULL,
    PRIMARY KEY (tenant, connection_id, account, resource)
) WITHOUT ROWID;
