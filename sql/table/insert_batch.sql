-- OR FAIL keeps the rows before one that is refused: their number says which one that is. It overrides what the
-- table's own constraints say about conflicts, and needs no journal to undo the statement.
INSERT OR FAIL INTO main.{table} ({columns}) VALUES {rows}
