UPDATE main.crsql_log SET site = ?1 WHERE site = 0
