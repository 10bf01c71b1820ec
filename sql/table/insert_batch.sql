-- OR FAIL keeps the rows before one that is refused: their number says which one that is. It needs no journal to undo the
-- statement. A STRICT table refuses a type without telling that number: there OR ABORT keeps none. Both override what the
-- table's own constraints say about conflicts.
INSERT OR {refusal} INTO main.{table} ({columns}) VALUES {rows}
