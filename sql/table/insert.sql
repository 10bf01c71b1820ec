-- OR ABORT overrides what the table's own constraints say about conflicts: a refused change must be an error.
INSERT OR ABORT INTO main.{table} ({columns}) VALUES ({values})
