SELECT schema FROM pragma_table_list(?1) WHERE schema <> 'main' ORDER BY schema = 'temp' DESC LIMIT 1
