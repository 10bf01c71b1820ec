-- Where a literal sends a row: -1 before the list's first, 1 behind its last.
SELECT CASE CAST(NEW.{order} AS INTEGER) WHEN -1 THEN crsql_fract_key_between(NULL, ({first}))
  ELSE crsql_fract_key_between(({last}), NULL) END
