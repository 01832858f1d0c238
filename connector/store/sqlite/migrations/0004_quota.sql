-- What each account of an app has used of its quotas. The app counts by account and knows nothing of tenants.
CREATE TABLE quota (
    -- The app and its account, as in fatture_in_cloud/108061.
    key TEXT PRIMARY KEY,
    -- When the calls of the sliding windows were sent, packed.
    sent BLOB NOT NULL,
    -- What is used of the calendar windows, and the limits that the app has told.
    calendars TEXT NOT NULL,
    blocked_until REAL NOT NULL,
    began REAL NOT NULL,
    -- The tenants that have reached the account: only they are shown it.
    tenants TEXT NOT NULL,
    -- Rises with every count, so that nobody overwrites what another has counted meanwhile.
    version INTEGER NOT NULL
) WITHOUT ROWID;
