-- Literals that were written while the triggers were away.
UPDATE {table} SET {order} = {order} WHERE CAST({order} AS INTEGER) IN (-1, 1)
