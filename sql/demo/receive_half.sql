-- Takes half of a letter, the end first: the rest got lost on the way.
.bail on
.load ./crsql

ATTACH 'letter.db' AS letter;
BEGIN;
INSERT INTO crsql_changes
SELECT * FROM letter.changes WHERE rowid % 2 = 0 ORDER BY rowid DESC;
SELECT printf('half, last change first       %6d came, %6d applied',
    (SELECT count(*) FROM letter.changes) / 2, crsql_rows_impacted());
COMMIT;
