SELECT {key}{columns} FROM main.{table} AS t WHERE {key} BETWEEN ?1 AND ?2 ORDER BY {key}
