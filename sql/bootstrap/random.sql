SELECT randomblob(16), random()
