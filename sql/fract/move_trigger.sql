CREATE TRIGGER main.{trigger} AFTER UPDATE OF {order} ON {table}
WHEN CAST(NEW.{order} AS INTEGER) IN (-1, 1) AND crsql_internal_sync_bit() = 0
BEGIN{guard}
  UPDATE {table} SET {order} = ({end}) WHERE {row}; END
