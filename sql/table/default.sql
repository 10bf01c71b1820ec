-- The declared DEFAULT, as an expression.
SELECT {default}
