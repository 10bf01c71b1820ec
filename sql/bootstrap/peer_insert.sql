CREATE TRIGGER IF NOT EXISTS main.crsql_0_peer_insert AFTER INSERT ON crsql_tracked_peers
WHEN NEW.tag IS NOT NULL AND NEW.event IS NOT NULL
BEGIN
  INSERT OR REPLACE INTO crsql_peer_times (site_id, tag, event, at)
  VALUES (NEW.site_id, NEW.tag, NEW.event, unixepoch());
END
