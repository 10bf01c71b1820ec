-- Of an UPDATE that mentions the row to come after, and of no other.
CREATE TRIGGER main.{trigger} INSTEAD OF UPDATE OF {of} ON {view}
BEGIN{guard}
  {separate};
  UPDATE {table} SET {order} = {position} WHERE {row}; END
