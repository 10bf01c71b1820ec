-- crsql_status answers "am I synced?": how far each peer is, what waits, and what each table holds. Programs that
-- carry changes note their progress in crsql_tracked_peers: event 0 is received, 1 is sent, tag 0 is the whole database.
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);
SELECT crsql_as_crr('t');
INSERT INTO t (id) VALUES (1), (2), (3);
DELETE FROM t WHERE id = 2;
UPDATE t SET a = 3;

.print '-- version 1 was sent to AA: three changes are newer; BB has everything, but for what it sent itself'
INSERT INTO crsql_tracked_peers VALUES (x'aa', 1, 0, 0, 1), (x'aa', 17, 0, 0, 0), (x'bb', 3, 0, 0, 1);
INSERT INTO crsql_changes VALUES ('t', x'010909', 'a', 'from BB', 1, 4, x'bb', 1, 0);
SELECT hex(site_id), received_version, sent_version, unsent FROM crsql_status WHERE kind = 'peer';
SELECT hex(site_id), received_at IS NULL, abs(strftime('%s', sent_at) - strftime('%s', 'now')) < 60 FROM crsql_status WHERE kind = 'peer';

.print '-- a program updates its progress'
INSERT INTO crsql_tracked_peers VALUES (x'aa', 4, 0, 0, 1) ON CONFLICT DO UPDATE SET version = excluded.version;
SELECT hex(site_id), sent_version, unsent FROM crsql_status WHERE kind = 'peer' AND site_id = x'aa';

.print '-- tables, and one that is not here yet'
INSERT INTO crsql_changes VALUES ('u', x'010901', 'z', 1, 1, 5, x'bb', 1, 0);
SELECT name, rows, tombstones, log_entries, metadata_bytes > 0, parked FROM crsql_status WHERE kind = 'table';

.print '-- the database itself'
SELECT site_id = crsql_site_id(), db_version = crsql_db_version(), parked FROM crsql_status WHERE kind = 'database';

.print '-- nothing can be written to it'
DELETE FROM crsql_status;
INSERT INTO crsql_status (kind) VALUES ('peer');
