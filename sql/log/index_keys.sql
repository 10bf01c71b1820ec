CREATE INDEX IF NOT EXISTS main.crsql_log_key ON crsql_log (tbl, key) WHERE keys = 1
