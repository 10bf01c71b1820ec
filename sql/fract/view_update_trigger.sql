-- Whichever of the two triggers runs first: a position that the other one gave stays.
CREATE TRIGGER main.{trigger} INSTEAD OF UPDATE OF {of} ON {view}
BEGIN{guard}
  UPDATE {table} SET {assignments} WHERE {row}; END
