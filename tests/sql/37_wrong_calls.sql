-- Calls that make no sense say so.
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('t');
.print '-- functions'
SELECT crsql_site_id(1);
SELECT crsql_db_version(1);
SELECT crsql_get_seq(1);
SELECT crsql_increment_and_get_seq(1);
SELECT crsql_rows_impacted(1);
SELECT crsql_next_db_version(4503599627370497);
SELECT crsql_config_get();
SELECT crsql_config_set('merge-equal-values');
.print '-- tables that are functions, or views on what is recorded'
INSERT INTO crsql_unpack_columns (cell) VALUES (1);
CREATE VIRTUAL TABLE mine USING crsql_changes;
DROP TABLE crsql_changes;
.print '-- from a trigger that runs while rows are merged'
CREATE TRIGGER relay AFTER INSERT ON t BEGIN
    INSERT INTO crsql_changes VALUES ('t', x'010909', 'v', 'more', 1, 1, x'53', 1, 0);
END;
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 'one', 1, 1, x'53', 1, 0);
SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM crsql_changes), crsql_internal_sync_bit();
