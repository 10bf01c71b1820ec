-- Takes a letter as it was written.
.bail on
.load ./crsql

ATTACH 'letter.db' AS letter;
BEGIN;
INSERT INTO crsql_changes
SELECT * FROM letter.changes;
SELECT printf('in order                      %6d came, %6d applied',
    (SELECT count(*) FROM letter.changes), crsql_rows_impacted());
COMMIT;
