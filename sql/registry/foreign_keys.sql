SELECT "from", "table" FROM pragma_foreign_key_list(?1, 'main') ORDER BY id, seq LIMIT 1
