CREATE TABLE main.{table} (
{body}
)
