-- The last arguments are each column before and after. Where these would be too many, they are the place of a column
-- and a bit set of the columns that changed, of that column in the lowest bit and the next 61. Of a table wider than that
-- there is a trigger for each set, and one without: an UPDATE compiles only those that concern it.
CREATE TRIGGER main.{trigger} AFTER UPDATE{of} ON {table}
BEGIN SELECT {update}({identity}, {old_key}, {new_key}{late}{changed}); END
