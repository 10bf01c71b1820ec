SELECT name, type, wr, strict FROM pragma_table_list(?1) WHERE schema = 'main'
