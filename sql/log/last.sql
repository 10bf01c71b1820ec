-- The right edge of the b-tree.
SELECT db_version, seq, keys, stride FROM main.crsql_log ORDER BY db_version DESC, seq DESC LIMIT 1
