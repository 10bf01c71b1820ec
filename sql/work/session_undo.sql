ROLLBACK TO crsql_alter
