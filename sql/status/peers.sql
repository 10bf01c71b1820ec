-- Event 0 is received, 1 is sent; tag 0 is the whole database.
SELECT p.site_id,
  max(p.version) FILTER (WHERE p.event = 0), datetime(max(t.at) FILTER (WHERE p.event = 0), 'unixepoch'),
  max(p.version) FILTER (WHERE p.event = 1), datetime(max(t.at) FILTER (WHERE p.event = 1), 'unixepoch')
FROM main.crsql_tracked_peers AS p
LEFT JOIN main.crsql_peer_times AS t ON t.site_id = p.site_id AND t.tag = p.tag AND t.event = p.event
WHERE p.tag = 0 GROUP BY p.site_id ORDER BY p.site_id
