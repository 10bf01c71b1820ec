INSERT OR IGNORE INTO temp.crsql_upgrade_versions (site, version)
SELECT DISTINCT site_id, db_version FROM main.{clock} WHERE site_id <> 0
