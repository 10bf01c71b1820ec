CREATE UNIQUE INDEX IF NOT EXISTS main.crsql_site_id_site_id ON crsql_site_id (site_id)
