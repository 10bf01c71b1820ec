-- Offline edits of the office.
.bail on
.load ./crsql

-- One maker has two names: settle on one.
UPDATE planes SET manufacturer = 'AIRBUS' WHERE manufacturer = 'AIRBUS INDUSTRIE';

UPDATE planes SET seats = 180 WHERE tailnum = 'N102UW';
UPDATE airports SET alt = 430 WHERE faa = 'SEA';
UPDATE airports SET alt = 431 WHERE faa = 'SEA';
UPDATE airports SET name = 'Portland' WHERE faa = 'PDX';
UPDATE planes SET speed = 450 WHERE tailnum = 'N103US';
UPDATE airports SET name = 'Hawaii' WHERE faa = 'HNL';
UPDATE airports SET name = 'Honolulu' WHERE faa = 'HNL';
UPDATE planes SET seats = 199 WHERE tailnum = 'N110UW';

-- Rebuilt and registered anew: a delete, then the row again.
BEGIN;
DELETE FROM planes WHERE tailnum = 'N104UW';
INSERT INTO planes VALUES ('N104UW', 1999, NULL, 'AIRBUS', 'A320-232', 2, 150, NULL, 'Turbo-fan');
COMMIT;

-- Changes of the primary key.
UPDATE airports SET faa = 'PFA' WHERE faa = 'FAI';
UPDATE planes SET tailnum = 'N105AA' WHERE tailnum = 'N105UW';

-- Heliports are not served any more.
DELETE FROM airports WHERE name LIKE '%heli%';

.print 'office  renames a maker on 400 planes; deletes the heliports; deletes and re-creates N104UW;'
.print '        changes the keys FAI to PFA and N105UW to N105AA; edits N102UW N103US N110UW SEA PDX HNL'
