-- The last arguments are bit sets of the columns that changed, 62 columns each, the first in the lowest bit.
CREATE TRIGGER main.{trigger} AFTER UPDATE ON {table}
BEGIN SELECT crsql_capture_update({identity}, {old_key}, {new_key}{changed}); END
