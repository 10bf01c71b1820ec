SELECT "table" FROM pragma_foreign_key_list(?1, 'main') LIMIT 1
