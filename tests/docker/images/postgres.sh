#!/bin/sh
set -eu
data=/var/lib/postgresql/data
if [ ! -e "$data/PG_VERSION" ]; then
  [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || POSTGRES_PASSWORD="$(cat "$POSTGRES_PASSWORD_FILE")"
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  initdb --pgdata "$data" --encoding UTF8 --username "$POSTGRES_USER" --pwfile /tmp/password --auth-host scram-sha-256 --auth-local trust
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
  pg_ctl --pgdata "$data" --wait --options "-c listen_addresses=''" start
  [ "$POSTGRES_DB" = postgres ] || createdb --host /var/run/postgresql --username "$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl --pgdata "$data" --wait stop
fi
exec postgres -D "$data" -c "listen_addresses=*"
