-- crsql_changes in a form that reads well: the key unpacked, values quoted, this database's id as "own".
CREATE TEMP VIEW shown AS
SELECT
    "table",
    (SELECT group_concat(quote(cell), ',') FROM crsql_unpack_columns(pk)) AS pk,
    cid,
    quote(val) AS val,
    col_version,
    db_version,
    CASE site_id WHEN crsql_site_id() THEN 'own' ELSE hex(site_id) END AS site,
    cl,
    seq
FROM crsql_changes;
