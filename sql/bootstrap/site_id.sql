-- Ordinal 0 is this database; the others number the sites it has heard of.
CREATE TABLE IF NOT EXISTS main.crsql_site_id (site_id BLOB NOT NULL, ordinal INTEGER PRIMARY KEY)
