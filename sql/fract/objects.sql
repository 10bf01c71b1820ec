-- What is there of the objects made under a name: the view, and triggers of the table and of the view.
SELECT name, tbl_name, sql FROM main.sqlite_schema
WHERE type IN ('view', 'trigger') AND lower(name) IN (
  lower(?1 || '_fractindex'), lower(?1 || '_fractindex_insert_trig'), lower(?1 || '_fractindex_update_trig'),
  lower(?1 || '_fractindex_move_trig'), lower('__crsql_' || ?1 || '_fractindex_pend_trig'),
  lower('__crsql_' || ?1 || '_fractindex_ezmove'), lower('__crsql_' || ?1 || '_fractindex_columns'))
