INSERT INTO main.crsql_site_id (site_id, ordinal)
SELECT ?1, coalesce(max(ordinal), 0) + 1 FROM main.crsql_site_id
