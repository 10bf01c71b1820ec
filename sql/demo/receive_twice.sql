-- Takes every change of a letter twice, shuffled.
.bail on
.load ./crsql

ATTACH 'letter.db' AS letter;
BEGIN;
INSERT INTO crsql_changes
SELECT * FROM (SELECT * FROM letter.changes UNION ALL SELECT * FROM letter.changes)
ORDER BY seq * 7919 % 1009, cid, pk;
SELECT printf('each change twice, shuffled   %6d came, %6d applied',
    (SELECT count(*) FROM letter.changes) * 2, crsql_rows_impacted());
COMMIT;
