SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' AND name NOT GLOB 'crsql_[0-9]*_*')
