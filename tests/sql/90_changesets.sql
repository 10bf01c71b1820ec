-- Changesets: all changes since a version in one BLOB, to be sent by any means and applied as a whole.
.open a.db
.load ./crsql
CREATE TABLE task (id INTEGER PRIMARY KEY NOT NULL, title TEXT, effort REAL);
CREATE TABLE tag (task INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (task, name));
SELECT crsql_as_crr('task'), crsql_as_crr('tag');
ATTACH 'mail.db' AS mail;
CREATE TABLE mail.box (number INTEGER PRIMARY KEY, data BLOB);
INSERT INTO task VALUES (1, 'write', 1.5), (2, 'test', 2);
INSERT INTO tag VALUES (1, 'new'), (2, 'new');
UPDATE task SET title = 'test it' WHERE id = 2;
DELETE FROM tag WHERE task = 1;
INSERT INTO mail.box (data) SELECT crsql_changeset(0);

.print '-- what is in it, as rows of crsql_changes'
SELECT "table", hex(pk) AS pk, cid, quote(val), col_version, db_version, site_id = crsql_site_id() AS own, cl, seq
FROM crsql_changeset_rows((SELECT data FROM mail.box));
.print '-- what it says of itself'
SELECT key, value FROM mail.box, json_each(crsql_changeset_info(data))
WHERE key NOT IN ('site', 'sites', 'bytes');

.connection 1
.open b.db
.load ./crsql
CREATE TABLE task (id INTEGER PRIMARY KEY NOT NULL, title TEXT, effort REAL);
CREATE TABLE tag (task INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (task, name));
SELECT crsql_as_crr('task'), crsql_as_crr('tag');
ATTACH 'mail.db' AS mail;
.print '-- applied: the number of changes that won; the second time none does'
SELECT crsql_apply(data) FROM mail.box;
SELECT crsql_apply(data) FROM mail.box;
SELECT * FROM task;
SELECT * FROM tag;

.print '-- the other way only what is new, and nothing that came from there'
UPDATE task SET effort = 3 WHERE id = 2;
SELECT "table", cid, val FROM crsql_changeset_rows(
    (SELECT crsql_changeset(0, (SELECT site_id FROM crsql_site_id WHERE ordinal = 1))));
SELECT count(*) FROM crsql_changeset_rows((SELECT crsql_changeset(crsql_db_version())));

.print '-- a changeset that was altered on its way is refused, and nothing is changed'
SELECT crsql_apply(substr(data, 1, 100)) FROM mail.box;
SELECT crsql_apply(CAST(substr(data, 1, 60) || x'00' || substr(data, 62) AS BLOB)) FROM mail.box;
SELECT crsql_apply(x'53514c697465');
SELECT crsql_apply('text');

.print '-- a row that a constraint refuses takes the whole changeset with it'
CREATE UNIQUE INDEX one_title ON task (title);
.connection 0
INSERT INTO task VALUES (3, 'fine', 1), (4, 'write', 1);
DELETE FROM mail.box;
INSERT INTO mail.box (data) SELECT crsql_changeset(4);
.connection 1
SELECT crsql_apply(data) FROM mail.box;
SELECT id FROM task;

.print '-- NULL gives NULL'
SELECT crsql_apply(NULL) IS NULL, crsql_changeset_info(NULL) IS NULL;
