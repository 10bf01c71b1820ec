PRAGMA main.encoding
