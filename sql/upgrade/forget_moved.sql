DELETE FROM temp.crsql_upgrade_moved
