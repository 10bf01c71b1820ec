-- From here on, only what changes after the first exchange has to travel.
.bail on
.load ./crsql
UPDATE sent SET up_to = crsql_db_version();
