UPDATE t SET {column} = data ->> 4 FROM incoming WHERE op = 'U' AND cell = '{column}' AND {is_incoming};
