-- crsql_internal_sync_bit: while it is set on a connection, its writes are not recorded.
.load ./crsql
CREATE TABLE t (k INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('t');
SELECT crsql_internal_sync_bit();
SELECT crsql_internal_sync_bit(1);
INSERT INTO t VALUES (1, 'quiet');
SELECT crsql_internal_sync_bit();
SELECT crsql_internal_sync_bit(0);
INSERT INTO t VALUES (2, 'loud');
SELECT val FROM crsql_changes;
.print '-- merges put it back to what it was'
SELECT crsql_internal_sync_bit(1);
INSERT INTO crsql_changes VALUES ('t', crsql_pack_columns(3), 'v', 'merged', 1, 1, x'aa', 1, 0);
SELECT crsql_internal_sync_bit();
SELECT crsql_internal_sync_bit(0);
INSERT INTO crsql_changes VALUES ('t', crsql_pack_columns(4), 'v', 'merged', 1, 1, x'aa', 1, 0);
SELECT crsql_internal_sync_bit();
