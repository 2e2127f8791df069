#!/bin/sh
# Prints secrets for compose.yaml, each new: sh deploy/secrets.sh > .env
# Passwords of a database that is there already do not change by this.
set -eu
umask 077
for name in FAIRLEAD_SECRET POSTGRES_PASSWORD OWNER_PASSWORD APP_PASSWORD SYSTEM_PASSWORD REPLICATION_PASSWORD \
    REDIS_PASSWORD RABBITMQ_PASSWORD GRAFANA_PASSWORD; do
    # 256 bits, in digits that need no quoting in a URL.
    printf '%s=%s\n' "$name" "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"
done
