INSERT INTO main.crsql_site_id (site_id, ordinal) SELECT site_id, 0 FROM main.__crsql_siteid LIMIT 1
