-- Nothing but an error inside a transaction. SQLite takes it for a statement that writes: where it is stopped before it finds
-- that error, the whole transaction is rolled back.
BEGIN IMMEDIATE
