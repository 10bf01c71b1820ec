CREATE INDEX IF NOT EXISTS main.crsql_log_run ON crsql_log (tbl, key) WHERE keys > 1
