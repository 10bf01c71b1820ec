-- Made only to be dropped: other connections notice that the schema changed, and read the new identity.
CREATE VIEW main.crsql_identity_moves AS SELECT 1
