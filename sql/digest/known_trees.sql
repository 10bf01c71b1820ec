SELECT tbl FROM main.crsql_digest_trees
