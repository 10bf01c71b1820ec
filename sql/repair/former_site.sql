UPDATE main.crsql_site_id SET ordinal = (SELECT max(ordinal) + 1 FROM main.crsql_site_id)
WHERE ordinal = 0 RETURNING ordinal
