-- Takes no lock yet: the first write does, of this database alone, where BEGIN IMMEDIATE would lock attached ones too.
BEGIN
