SELECT ordinal FROM main.crsql_site_id WHERE site_id = ?1
