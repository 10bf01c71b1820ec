ROLLBACK TO crsql_work
