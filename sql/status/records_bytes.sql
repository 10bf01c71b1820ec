-- A number counts 8 bytes.
SELECT coalesce(sum(CASE typeof(key) WHEN 'blob' THEN length(key) ELSE 8 END + 8 + length(clock)), 0) FROM main.{rows}
