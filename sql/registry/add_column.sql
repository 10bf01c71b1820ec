INSERT OR REPLACE INTO main.crsql_columns (tbl, id, name, place, is_captured, is_late, late_default)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
