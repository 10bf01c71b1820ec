DROP TRIGGER IF EXISTS main.{trigger}
