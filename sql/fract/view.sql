-- Each column has its name written out, so that a column of the table can be renamed.
CREATE VIEW main.{view} AS SELECT {columns} FROM {table}
