#!/bin/sh
# Secrets may come as files: NAME_FILE=/run/secrets/… becomes NAME, as the images of databases do it.
set -eu
for name in DAGSTER_POSTGRES_PASSWORD AWS_SECRET_ACCESS_KEY CERTIFY_SIGNING_KEY_PASSPHRASE; do
  eval "file=\${${name}_FILE:-}"
  if [ -n "$file" ]; then
    [ -r "$file" ] || { echo "${name}_FILE: $file cannot be read by user $(id -u). Mount it, readable by that user" >&2; exit 2; }
    eval "export $name=\"\$(cat \"\$file\")\""
    unset "${name}_FILE"
  fi
done
exec "$@"
