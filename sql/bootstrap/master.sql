CREATE TABLE IF NOT EXISTS main.crsql_master (key TEXT PRIMARY KEY, value ANY)
