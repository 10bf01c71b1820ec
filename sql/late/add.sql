ALTER TABLE old ADD COLUMN c {type} DEFAULT {default}
