-- How many calls of an account were counted on each day: where a month leads is told from them.
ALTER TABLE quota ADD COLUMN days TEXT NOT NULL DEFAULT '{}';

-- Wrong attempts to get in, by name and by address, so that every process knows how long to wait.
CREATE TABLE login_failure (
    tenant TEXT NOT NULL,
    -- A hash: names of people and their addresses are nobody's business.
    whose TEXT NOT NULL,
    count BIGINT NOT NULL,
    last_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (tenant, whose)
);
CREATE INDEX login_failure_age ON login_failure (tenant, last_at);
