SELECT DISTINCT __crsql_site_id FROM main.{clock} WHERE __crsql_site_id IS NOT NULL
