-- Keys travel packed: a count, then per value a tag and its payload. The bytes are those of cr-sqlite.
.load ./crsql

.print '-- integers: as many bytes as needed, negative ones always eight'
SELECT value, hex(crsql_pack_columns(value)) FROM json_each(
    '[0, 1, 127, 128, 255, 256, 65535, 65536, 16777216, 2147483648, 4294967296, 1099511627776,
      281474976710656, 72057594037927936, 9223372036854775807, -1]');
SELECT hex(crsql_pack_columns(-9223372036854775807 - 1));

.print '-- reals, text, blobs, NULL'
SELECT hex(crsql_pack_columns(1.5)), hex(crsql_pack_columns(-0.0));
SELECT hex(crsql_pack_columns('')), hex(crsql_pack_columns('a')), hex(crsql_pack_columns('é'));
SELECT hex(crsql_pack_columns(x'')), hex(crsql_pack_columns(x'00ff'));
SELECT hex(crsql_pack_columns(NULL));
SELECT hex(substr(crsql_pack_columns(printf('%256s', '')), 1, 5)), length(crsql_pack_columns(printf('%256s', '')));

.print '-- several values, and none'
SELECT hex(crsql_pack_columns(4, 5)), hex(crsql_pack_columns());
SELECT hex(crsql_pack_columns(1, 'a', x'ff', NULL, 2.0));

.print '-- crsql_unpack_columns is the way back'
SELECT quote(cell), typeof(cell) FROM crsql_unpack_columns(x'0509010b01610c01ff05024000000000000000');
SELECT count(*) FROM crsql_unpack_columns(x'00');
SELECT rowid, cell FROM crsql_unpack_columns WHERE package = crsql_pack_columns('p', 'q');
SELECT group_concat(cell) FROM crsql_unpack_columns WHERE package IN (x'010901', x'010902');
SELECT cell FROM crsql_unpack_columns(crsql_pack_columns(1, 2, 3, 4)) WHERE cell > 1 AND (cell = 2 OR cell = 4);

.print '-- and loses nothing'
WITH edges (value) AS (
    SELECT (1 << bits) + d.value FROM
        (SELECT value AS bits FROM generate_series(8, 62)), json_each('[-1, 0, 1]') AS d
    UNION ALL SELECT -value FROM generate_series(1, 300, 7)
    UNION ALL SELECT value FROM json_each('[0.1, -1e300, 9223372036854775807]')
    UNION ALL VALUES (9e999), (-9e999), (-9223372036854775807 - 1),
        (CAST(x'610062' AS TEXT)), ('😀'), (zeroblob(65535)), (zeroblob(65536)), (printf('%65536s', 'x'))
)
SELECT count(*), sum(cell IS value AND typeof(cell) = typeof(value) AND length(cell) = length(value)
    AND hex(cell) = hex(value))
FROM edges, crsql_unpack_columns(crsql_pack_columns(value));

.print '-- many values'
.output calls.sql
SELECT 'SELECT hex(substr(crsql_pack_columns(' || group_concat(0) || '), 1, 3));' FROM generate_series(1, 100);
.output
.read calls.sql

.print '-- what is no packed key is an error; NULL is nothing'
SELECT count(*) FROM crsql_unpack_columns(NULL);
SELECT cell FROM crsql_unpack_columns;
SELECT cell FROM crsql_unpack_columns(x'');
SELECT cell FROM crsql_unpack_columns(x'01');
SELECT cell FROM crsql_unpack_columns(x'0109');
SELECT cell FROM crsql_unpack_columns(x'0107');
SELECT cell FROM crsql_unpack_columns(x'0149000000000000000001');
SELECT cell FROM crsql_unpack_columns(x'010901ff');
SELECT cell FROM crsql_unpack_columns(x'0113ffff61');
SELECT cell FROM crsql_unpack_columns(x'010b01ff');
SELECT cell FROM crsql_unpack_columns(x'020901');
SELECT cell FROM crsql_unpack_columns('no blob');
SELECT cell FROM crsql_unpack_columns(7);

.print '-- more than the shortest length is accepted on the way in'
SELECT cell FROM crsql_unpack_columns(x'01110001');

.print '-- the values of a key come in the order of the PRIMARY KEY clause'
CREATE TABLE t (y NOT NULL, z NOT NULL, PRIMARY KEY (z, y));
SELECT crsql_as_crr('t');
INSERT INTO t VALUES (1, 2);
SELECT hex(pk) FROM crsql_changes;

.print '-- UTF-8, whatever the encoding of the database'
.open utf16.db
PRAGMA encoding = 'UTF-16';
.load ./crsql
CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t');
INSERT INTO t VALUES ('é', '😀');
SELECT hex(pk), val FROM crsql_changes;
