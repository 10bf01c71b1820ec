DROP VIEW main.crsql_identity_moves
