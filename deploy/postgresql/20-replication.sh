#!/bin/sh
# Lets a replica follow: a role that may do nothing else, and its entry in pg_hba.conf.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\getenv password REPLICATION_PASSWORD
CREATE ROLE fairlead_replication LOGIN REPLICATION PASSWORD :'password';
SQL
echo 'host replication fairlead_replication all scram-sha-256' >>"$PGDATA/pg_hba.conf"
