INSERT OR REPLACE INTO main.crsql_unmatched (name, reason, since) VALUES (?1, ?2, unixepoch())
