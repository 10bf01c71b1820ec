INSERT INTO main.crsql_site_id (site_id, ordinal) SELECT site_id, ordinal FROM main.__crsql_siteid
