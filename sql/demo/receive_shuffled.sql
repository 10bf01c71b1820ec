-- Takes a letter with its changes shuffled.
.bail on
.load ./crsql

ATTACH 'letter.db' AS letter;
BEGIN;
INSERT INTO crsql_changes
SELECT * FROM letter.changes ORDER BY rowid * 7919 % 10007;
SELECT printf('shuffled                      %6d came, %6d applied',
    (SELECT count(*) FROM letter.changes), crsql_rows_impacted());
COMMIT;
