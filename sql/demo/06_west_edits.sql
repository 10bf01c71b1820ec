-- Offline edits in the west.
.bail on
.load ./crsql

-- The same clean-up as at the office, with another spelling.
UPDATE planes SET manufacturer = 'Airbus' WHERE manufacturer LIKE 'airbus%';

UPDATE planes SET seats = 190 WHERE tailnum = 'N102UW';
UPDATE airports SET alt = 999 WHERE faa = 'SEA';
INSERT INTO airports VALUES ('XCA', 'Camp Two', 66.5, -150.1, 50, -9, 'A', 'America/Anchorage');

-- Re-created with its new name: a delete, then the row again.
BEGIN;
DELETE FROM airports WHERE faa = 'HNL';
INSERT INTO airports VALUES
    ('HNL', 'Inouye Intl', 21.318681, -157.922428, 13, -10, 'N', 'Pacific/Honolulu');
COMMIT;
BEGIN;
DELETE FROM planes WHERE tailnum = 'N104UW';
INSERT INTO planes VALUES ('N104UW', 1999, NULL, 'Airbus', 'A320-251N', 2, 140, NULL, 'Turbo-fan');
COMMIT;

UPDATE planes SET tailnum = 'N105DL' WHERE tailnum = 'N105UW';

.print 'west    renames the same maker another way; deletes and re-creates HNL and N104UW;'
.print '        changes the key N105UW to N105DL; adds another XCA; edits N102UW SEA'
