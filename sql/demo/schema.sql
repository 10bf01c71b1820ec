-- The same two tables on every device. crsql_as_crr makes them replicated.
CREATE TABLE airports (
    faa TEXT PRIMARY KEY NOT NULL,
    name TEXT, lat REAL, lon REAL, alt INTEGER, tz INTEGER, dst TEXT, tzone TEXT
);
CREATE TABLE planes (
    tailnum TEXT PRIMARY KEY NOT NULL,
    year INTEGER, type TEXT, manufacturer TEXT, model TEXT,
    engines INTEGER, seats INTEGER, speed INTEGER, engine TEXT
);

-- Local notes, not replicated: up to which version this device has sent its changes.
CREATE TABLE sent (up_to INTEGER NOT NULL);
INSERT INTO sent VALUES (0);
