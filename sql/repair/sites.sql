SELECT ordinal, site_id FROM main.crsql_site_id ORDER BY ordinal
