SELECT data FROM main.crsql_parts WHERE rowid = ?1
