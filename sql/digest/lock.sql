-- Changes nothing, but takes the write lock before anything is read.
DELETE FROM main.crsql_digest_state WHERE 0
