-- Transactions of a sender of which some parts are here.
SELECT DISTINCT db_version FROM main.crsql_parts WHERE site = ?1 AND db_version > ?2 AND db_version <= ?3
