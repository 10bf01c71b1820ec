-- Notes for the report what this database says about the contested rows. Reading needs no extension.
.bail on
.read demo/contested.sql
ATTACH 'report.db' AS report;
CREATE TABLE IF NOT EXISTS report.told (file TEXT, story INTEGER, what TEXT, value TEXT);
INSERT INTO report.told
SELECT (SELECT file FROM pragma_database_list WHERE name = 'main'), story, what, value FROM contested;
