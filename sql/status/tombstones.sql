SELECT count(*) FROM main.{rows} WHERE cl % 2 = 0
