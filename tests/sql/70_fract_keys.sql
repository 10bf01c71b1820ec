-- Positions: texts that sort by bytes, and between any two of which crsql_fract_key_between finds another.
.load ./crsql

.print '-- ends are open; what is between is the same each time'
CREATE TABLE asked (low, high);
INSERT INTO asked VALUES (NULL, NULL), ('a ', NULL), (NULL, 'a '), ('Z~', 'a '), ('a~', NULL), ('Z~', NULL),
  (NULL, 'Z '), ('a ', 'a!'), ('a ', 'a P'), ('a ', 'a !'), ('a~', 'b  '), ('ab!c', 'ab!d'), (NULL, 'ab!c'),
  ('a P', NULL);
SELECT quote(low), quote(high), quote(crsql_fract_key_between(low, high)) FROM asked;

.print '-- a hundred at one end stay short'
WITH RECURSIVE run (n, last, first) AS (
  VALUES (0, 'a ', 'a ')
  UNION ALL
  SELECT n + 1, crsql_fract_key_between(last, NULL), crsql_fract_key_between(NULL, first) FROM run WHERE n < 100)
SELECT quote(last), quote(first) FROM run WHERE n = 100;

.print '-- what is no position, and what has nothing between'
SELECT crsql_fract_key_between('a ', 'a ');
SELECT crsql_fract_key_between('a!', 'a ');
SELECT crsql_fract_key_between('', NULL);
SELECT crsql_fract_key_between(NULL, 'é');
SELECT crsql_fract_key_between('aé', NULL);
SELECT crsql_fract_key_between('1', NULL);
SELECT crsql_fract_key_between('hello', NULL);
SELECT crsql_fract_key_between('a P ', NULL);
SELECT crsql_fract_key_between(NULL, 'A                          ');
SELECT crsql_fract_key_between(1, NULL);
SELECT crsql_fract_key_between(1.5, NULL);
SELECT crsql_fract_key_between(NULL, x'6120');
SELECT crsql_fract_key_between('a ');
SELECT crsql_fract_key_between('a ', NULL, NULL);
