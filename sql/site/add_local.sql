INSERT INTO main.crsql_site_id (site_id, ordinal) VALUES (?1, 0)
