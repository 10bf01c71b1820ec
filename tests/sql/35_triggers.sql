-- The application's own triggers work as before, and what they write is recorded too.
.load ./crsql
.read include/shown.sql
CREATE TABLE doc (k INTEGER PRIMARY KEY, title, words);
CREATE TABLE audit (k INTEGER PRIMARY KEY, what);
CREATE TABLE counter (n);
INSERT INTO counter VALUES (0);
SELECT crsql_as_crr('doc'), crsql_as_crr('audit');

.print '-- a trigger that writes another replicated table: one version'
CREATE TRIGGER doc_new BEFORE INSERT ON doc BEGIN
    INSERT INTO audit (what) VALUES ('new ' || NEW.k);
END;
CREATE TRIGGER doc_gone AFTER DELETE ON doc BEGIN
    INSERT INTO audit (what) VALUES ('gone ' || OLD.k);
END;
INSERT INTO doc VALUES (1, 'a', 'one two');
DELETE FROM doc;
SELECT "table", pk, cid, val, db_version FROM shown ORDER BY db_version, "table", cid;

.print '-- a trigger that changes the row it was fired for: the values reported are those of the row'
CREATE TRIGGER doc_title AFTER INSERT ON doc BEGIN
    UPDATE doc SET title = upper(title) WHERE k = NEW.k;
END;
INSERT INTO doc VALUES (2, 'b', 'three');
SELECT pk, cid, val FROM shown WHERE "table" = 'doc' AND pk = '2' ORDER BY cid;

.print '-- local writes can be told from merged ones'
CREATE TRIGGER doc_local AFTER UPDATE ON doc WHEN crsql_internal_sync_bit() = 0 BEGIN
    UPDATE counter SET n = n + 1;
END;
UPDATE doc SET words = 'four';
SELECT n FROM counter;
INSERT INTO crsql_changes VALUES ('doc', crsql_pack_columns(2), 'words', 'five', 9, 9, x'aa', 1, 0);
SELECT words, n FROM doc, counter;

.print '-- the triggers of the application fire for merged rows; what they write is not recorded'
CREATE TABLE log (line);
CREATE TRIGGER audit_log AFTER INSERT ON audit BEGIN
    INSERT INTO log VALUES ('audit ' || NEW.what);
END;
INSERT INTO crsql_changes VALUES ('doc', crsql_pack_columns(3), 'title', 'c', 1, 10, x'aa', 1, 0);
SELECT * FROM doc WHERE k = 3;
SELECT * FROM log;
SELECT count(*) FROM shown WHERE "table" = 'audit' AND val = '''new 3''';

.print '-- a trigger may read the changes'
CREATE TRIGGER doc_count AFTER INSERT ON doc BEGIN
    UPDATE counter SET n = 100 + (SELECT count(*) FROM crsql_changes);
END;
INSERT INTO crsql_changes VALUES ('doc', crsql_pack_columns(5), 'title', 'e', 1, 10, x'aa', 1, 0);
SELECT n > 100 FROM counter;

.print '-- without trust in the schema as well'
PRAGMA trusted_schema = OFF;
INSERT INTO doc VALUES (4, 'd', 'six');
SELECT pk, cid, val FROM shown WHERE "table" = 'doc' AND pk = '4' ORDER BY cid;
