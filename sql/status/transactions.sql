SELECT site, db_version, datetime(min(since), 'unixepoch'), count(*), sum(length(data)) FROM main.crsql_parts
GROUP BY site, db_version ORDER BY site, db_version
