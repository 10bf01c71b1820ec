-- The one setting of this release: which site wins when two writes have equal versions and values.
.open one.db
.load ./crsql

.print '-- off by default, kept in the file'
SELECT crsql_config_get('merge-equal-values');
SELECT crsql_config_set('merge-equal-values', 1);
.open one.db
.load ./crsql
SELECT crsql_config_get('merge-equal-values');
SELECT value FROM crsql_master WHERE key = 'config.merge-equal-values';

.print '-- part of the transaction that sets it, and seen by every connection'
BEGIN;
SELECT crsql_config_set('merge-equal-values', 0);
ROLLBACK;
SELECT crsql_config_get('merge-equal-values');
.connection 1
.open one.db
.load ./crsql
SELECT crsql_config_set('merge-equal-values', 0);
.connection 0
SELECT crsql_config_get('merge-equal-values');

.print '-- only 0 and 1 are values, and only this name is a setting'
SELECT crsql_config_set('merge-equal-values', 'maybe');
SELECT crsql_config_set('merge-equal-values', 2);
SELECT crsql_config_set('merge-equal-values', NULL);
SELECT crsql_config_set('colour', 1);
SELECT crsql_config_get('colour');
SELECT crsql_config_get(NULL);
.open one.db
.load ./crsql
SELECT crsql_config_get('merge-equal-values');
