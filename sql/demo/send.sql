-- Everything that changed here since the last general exchange, relayed changes included, as a letter.
-- The columns of the letter have no types, so every value stays what it is.
.bail on
.load ./crsql

ATTACH 'letter.db' AS letter;
CREATE TABLE letter.changes ("table", pk, cid, val, col_version, db_version, site_id, cl, seq);
INSERT INTO letter.changes
SELECT * FROM crsql_changes WHERE db_version > (SELECT up_to FROM sent);
