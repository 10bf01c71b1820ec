CREATE TABLE new (k, c {type} DEFAULT ({default}))
