-- OR REPLACE would give way to the conflict clause of the statement that runs the trigger.
CREATE TRIGGER IF NOT EXISTS main.crsql_0_peer_update AFTER UPDATE ON crsql_tracked_peers
WHEN NEW.tag IS NOT NULL AND NEW.event IS NOT NULL
BEGIN
  INSERT INTO crsql_peer_times (site_id, tag, event, at)
  VALUES (NEW.site_id, NEW.tag, NEW.event, unixepoch())
  ON CONFLICT (site_id, tag, event) DO UPDATE SET at = excluded.at;
END
