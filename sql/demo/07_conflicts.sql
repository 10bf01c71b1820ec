-- What each device wrote offline, and what all have now.
.bail on
CREATE TEMP TABLE reason (story INTEGER, why TEXT);
INSERT INTO reason VALUES
    (1, 'one edit each: largest value'),
    (2, 'two edits beat one'),
    (3, 'different columns:'),
    (4, '  both edits stay'),
    (5, 'a delete beats an edit'),
    (6, 're-created beats edited'),
    (7, 'both anew: largest each'),
    (8, 'moved away beats edited'),
    (9, '  whole under the new key'),
    (10, 'moved to two keys: both'),
    (11, 'both new: largest each'),
    (12, 'key used anew beats edited'),
    (13, 'largest; so on hundreds');

-- Only what a device wrote: what it left as it was before is blank.
CREATE TEMP VIEW wrote AS
SELECT told.file, story, CASE WHEN told.value IS before.value THEN '' ELSE ifnull(told.value, 'gone') END AS value
FROM told
JOIN told AS before USING (story)
WHERE before.file LIKE '%/offline/start.db';

.mode box
SELECT final.what, office.value AS office, north.value AS north, west.value AS west,
    ifnull(final.value, 'gone') AS "all have", why
FROM told AS final
JOIN wrote AS office USING (story)
JOIN wrote AS north USING (story)
JOIN wrote AS west USING (story)
JOIN reason USING (story)
WHERE final.file NOT LIKE '%/offline/%'
  AND office.file LIKE '%/offline/office.db'
  AND north.file LIKE '%/offline/north.db'
  AND west.file LIKE '%/offline/west.db'
ORDER BY story;
