# FROM, TO (DSNs), S, T (schema and table) come from engine.yaml. One transaction: whole, or not at all.
set -euo pipefail
q="psql -X -q -A -t -v ON_ERROR_STOP=1"
table="\"$S\".\"$T\""
columns=$($q -d "$FROM" -c "SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod),
  ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$table'::regclass
  AND attnum > 0 AND NOT attisdropped")
{
  echo "BEGIN; SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS \"$S\";"
  echo "DROP TABLE IF EXISTS $table;"
  echo "CREATE TABLE $table ($columns); COPY $table FROM STDIN;"
  $q -d "$FROM" -c "COPY $table TO STDOUT"
  printf '\\.\nCOMMIT;\n'
} | $q -d "$TO" -f -
echo "rows=$($q -d "$TO" -c "SELECT count(*) FROM $table")"
