-- Offline edits in the north.
.bail on
.load ./crsql

-- Alaska goes metric.
UPDATE airports SET alt = round(alt * 0.3048) WHERE tzone = 'America/Anchorage';

UPDATE planes SET seats = 184 WHERE tailnum = 'N102UW';
UPDATE airports SET alt = 31 WHERE faa = 'PDX';
DELETE FROM planes WHERE tailnum = 'N103US';
INSERT INTO airports VALUES ('XCA', 'Camp One', 66.5, -150.1, 100, -9, 'A', 'America/Anchorage');

-- A tail number is given to another plane: delete the old row, move the other onto its key.
DELETE FROM planes WHERE tailnum = 'N110UW';
UPDATE planes SET tailnum = 'N110UW' WHERE tailnum = 'N10575';

.print 'north   turns the altitudes of Alaska into metres; deletes N103US and N110UW;'
.print '        changes the key N10575 to N110UW; adds XCA; edits N102UW PDX'
