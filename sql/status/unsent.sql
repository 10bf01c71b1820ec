SELECT count(*) FROM crsql_changes WHERE db_version > ?1 AND site_id IS NOT ?2
