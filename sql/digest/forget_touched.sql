DELETE FROM main.crsql_digest_touched
