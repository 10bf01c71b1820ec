SELECT max({version}) FROM main.{clock} AS c WHERE {is_own}
