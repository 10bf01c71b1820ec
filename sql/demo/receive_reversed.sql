-- Takes a letter from its end.
.bail on
.load ./crsql

ATTACH 'letter.db' AS letter;
BEGIN;
INSERT INTO crsql_changes
SELECT * FROM letter.changes ORDER BY rowid DESC;
SELECT printf('last change first             %6d came, %6d applied',
    (SELECT count(*) FROM letter.changes), crsql_rows_impacted());
COMMIT;
