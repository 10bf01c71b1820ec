-- Everything that DDL made, in the order of its making; what belongs to a virtual table is marked.
SELECT type, name, tbl_name, sql,
  name IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')
FROM main.sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid
