# FROM, TO (DSNs), S, T (schema and table) come from engine.yaml. One transaction: whole, or not at all.
set -euo pipefail
at() { # psql at a DSN, its password not in the argv, which others can see
  local dsn=$1 password=${1#*://}
  password=${password%%@*}
  password=${password#*:}
  PGPASSWORD=$(printf '%b' "${password//%/\\x}") \
    psql -X -q -A -t -v ON_ERROR_STOP=1 -d "${dsn/":$password@"/@}" "${@:2}"
}
quoted() { printf '"%s"' "${1//\"/\"\"}"; }
schema=$(quoted "$S")
table="$schema.$(quoted "$T")"
columns=$(at "$FROM" -c "SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod),
  ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '${table//\'/\'\'}'::regclass
  AND attnum > 0 AND NOT attisdropped")
{
  echo "BEGIN; SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS $schema;"
  echo "DROP TABLE IF EXISTS $table;"
  echo "CREATE TABLE $table ($columns); COPY $table FROM STDIN;"
  at "$FROM" -c "COPY $table TO STDOUT"
  printf '\\.\nCOMMIT;\n'
} | at "$TO" -f -
echo "rows=$(at "$TO" -c "SELECT count(*) FROM $table")"
