-- No schema has this version, so nothing that is stored counts as current.
UPDATE main.crsql_digest_state SET schema = -1
