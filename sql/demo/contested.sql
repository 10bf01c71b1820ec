-- What this database says about the rows that the devices fight over.
CREATE TEMP VIEW contested AS
SELECT 1 AS story, 'N102UW seats' AS what, (SELECT seats FROM planes WHERE tailnum = 'N102UW') AS value
UNION ALL
SELECT 2, 'SEA altitude', (SELECT alt FROM airports WHERE faa = 'SEA')
UNION ALL
SELECT 3, 'PDX name', (SELECT name FROM airports WHERE faa = 'PDX')
UNION ALL
SELECT 4, 'PDX altitude', (SELECT alt FROM airports WHERE faa = 'PDX')
UNION ALL
SELECT 5, 'N103US speed', (SELECT ifnull(speed, '-') FROM planes WHERE tailnum = 'N103US')
UNION ALL
SELECT 6, 'HNL name', (SELECT name FROM airports WHERE faa = 'HNL')
UNION ALL
SELECT 7, 'N104UW model, seats', (SELECT model || ', ' || seats FROM planes WHERE tailnum = 'N104UW')
UNION ALL
SELECT 8, 'FAI altitude', (SELECT alt FROM airports WHERE faa = 'FAI')
UNION ALL
SELECT 9, 'PFA altitude', (SELECT alt FROM airports WHERE faa = 'PFA')
UNION ALL
SELECT 10, 'N105UW, one plane',
    (SELECT group_concat(tailnum, ', ') FROM planes WHERE tailnum IN ('N105AA', 'N105DL', 'N105UW'))
UNION ALL
SELECT 11, 'XCA name, altitude', (SELECT name || ', ' || alt FROM airports WHERE faa = 'XCA')
UNION ALL
SELECT 12, 'N110UW year, seats', (SELECT year || ', ' || seats FROM planes WHERE tailnum = 'N110UW')
UNION ALL
SELECT 13, 'N111US maker', (SELECT manufacturer FROM planes WHERE tailnum = 'N111US');
