-- The versions of other sites become versions of this database, after its own.
INSERT INTO temp.crsql_upgrade_stamps (site, version, stamp)
SELECT site, version, ?1 + row_number() OVER (ORDER BY site, version) FROM temp.crsql_upgrade_versions
