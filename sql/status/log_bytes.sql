-- A number counts 8 bytes.
SELECT coalesce(sum(CASE typeof(key) WHEN 'blob' THEN length(key) ELSE 8 END + 48), 0) FROM main.crsql_log WHERE tbl = ?1
