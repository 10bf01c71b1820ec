-- Whether a key has clocks in exactly this form.
SELECT 1 FROM main.{pks} AS k CROSS JOIN main.{clock} AS c ON c.key = k.__crsql_key WHERE {is_key}
