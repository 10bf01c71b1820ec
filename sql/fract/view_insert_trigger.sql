CREATE TRIGGER main.{trigger} INSTEAD OF INSERT ON {view}
BEGIN
  {separate};
  INSERT INTO {table} ({columns}) VALUES ({values}); END
