SELECT tbl, key FROM main.crsql_digest_touched
