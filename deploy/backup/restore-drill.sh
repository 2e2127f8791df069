#!/bin/sh
# Takes a dump of a database that serves, restores it into a server that is thrown away, and has the program judge it.
#
#   restore-drill.sh SOURCE_URL TARGET FOLDER
#
#   SOURCE_URL  the database, as a superuser: row-level security keeps everybody else from dumping all rows
#   TARGET      host:port of an empty server of the same major version or a later one, where postgres may log in
#               (its password: PGPASSWORD, or ~/.pgpass)
#   FOLDER      where the dump goes; it is kept
#
# Takes pg_dump, pg_restore, psql and fairlead (FAIRLEAD: another path). Nothing is changed at the source.
set -eu

source=$1 target=$2 folder=$3
fairlead=${FAIRLEAD:-fairlead}
bootstrap=$(dirname "$0")/../../helm/fairlead/files/bootstrap.sql
file=$folder/fairlead-$(date -u +%Y%m%dT%H%M%SZ).dump

now() { date +%s; }
begin=$(now)
step() {
    echo "── $(($(now) - begin)) s: $1"
}

step "dumping to $file"
umask 077
pg_dump --format=custom --compress=6 --file="$file" "$source"
ls -l "$file"

step "making the roles, with passwords of their own, and the database"
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
FAIRLEAD_BOOTSTRAP_OWNER_PASSWORD=$(secret)
FAIRLEAD_BOOTSTRAP_APP_PASSWORD=$(secret)
FAIRLEAD_BOOTSTRAP_SYSTEM_PASSWORD=$(secret)
export FAIRLEAD_BOOTSTRAP_OWNER_PASSWORD FAIRLEAD_BOOTSTRAP_APP_PASSWORD FAIRLEAD_BOOTSTRAP_SYSTEM_PASSWORD
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file="$bootstrap" "postgres://postgres@$target/postgres"

step "restoring"
pg_restore --exit-on-error --jobs=2 --dbname="postgres://postgres@$target/fairlead" "$file"
psql --no-psqlrc --quiet --command='ANALYZE' "postgres://postgres@$target/fairlead"

step "having the program judge it"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export FAIRLEAD__DATA_DIR="$scratch"
export FAIRLEAD__DATABASE__URL="postgres://fairlead_app:$FAIRLEAD_BOOTSTRAP_APP_PASSWORD@$target/fairlead"
export FAIRLEAD__DATABASE__SYSTEM_URL="postgres://fairlead_system:$FAIRLEAD_BOOTSTRAP_SYSTEM_PASSWORD@$target/fairlead"
export FAIRLEAD__DATABASE__OWNER_URL="postgres://fairlead_owner:$FAIRLEAD_BOOTSTRAP_OWNER_PASSWORD@$target/fairlead"
export FAIRLEAD__SECURITY__SECRET="$(secret)"
cd "$scratch"
# The schema is whole, the roles keep tenants apart, and what is counted agrees with the rows.
"$fairlead" migrate --status | grep -q pending && {
    echo "steps of the schema are missing; take the program of the version that wrote the dump" >&2
    exit 1
}
# This server counts transactions from its own beginning.
"$fairlead" events begin-anew --yes
"$fairlead" doctor
"$fairlead" statistics repair --all

step "done"
psql --no-psqlrc --tuples-only --command="
    SELECT 'tenants ' || (SELECT count(*) FROM tenants) || ', leads ' || (SELECT count(*) FROM leads)
           || ', last event ' || COALESCE((SELECT max(occurred_at)::text FROM events), 'none')" \
    "postgres://postgres@$target/fairlead"
