-- Everything that changed here since the last general exchange, relayed changes included, as a letter.
.bail on
.load ./crsql

ATTACH 'letter.db' AS letter;
CREATE TABLE letter.changes AS
SELECT * FROM crsql_changes WHERE db_version > (SELECT up_to FROM sent);
