-- The last arguments are the place of a column and a bit set of the columns that changed, of that column in
-- the lowest bit and the next 61. Of a wide table there is a trigger for each set, and one without: an
-- UPDATE compiles only those that concern it.
CREATE TRIGGER main.{trigger} AFTER UPDATE{of} ON {table}
BEGIN SELECT crsql_capture_update({identity}, {old_key}, {new_key}{late}{changed}); END
