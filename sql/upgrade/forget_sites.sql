-- A file of 0.15 that 0.16 opened got another identity.
DELETE FROM main.crsql_site_id
