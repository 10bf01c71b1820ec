UPDATE {table} SET {order} = ?1 WHERE {is_row}
