PRAGMA temp.schema_version
