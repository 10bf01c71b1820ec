-- What the fork says of this database.
SELECT max(v.db_version) FROM main.crsql_db_versions AS v
WHERE v.site_id = (SELECT site_id FROM main.crsql_site_id WHERE ordinal = 0)
