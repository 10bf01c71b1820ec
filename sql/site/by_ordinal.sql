SELECT site_id FROM main.crsql_site_id WHERE ordinal = ?1
