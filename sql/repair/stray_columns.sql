SELECT DISTINCT tbl FROM main.crsql_columns WHERE tbl NOT IN (SELECT id FROM main.crsql_tables)
