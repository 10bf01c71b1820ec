CREATE INDEX IF NOT EXISTS main.crsql_parked_column ON crsql_parked_changes (tbl, cid)
