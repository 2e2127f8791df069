#!/bin/sh
# Takes a base backup of a database that serves, follows its log, and brings back a moment before the last: the one before a
# mistake, say. The server it is brought back into is thrown away.
#
#   point-in-time-drill.sh SOURCE_URL FOLDER 'SQL'
#
#   SOURCE_URL  the server, as a role that may replicate; nothing is changed there but by SQL
#   FOLDER      an empty folder for the backup and the log, of the user that runs this (or, for root, of postgres)
#   SQL         the mistake: what is run after the moment that is brought back, for instance a DELETE. On a copy, please
#
# Takes the programs of PostgreSQL of the source's version: PGBIN, or those of Debian. Prints the URL of the server that is
# brought back, leaves it running, and says how it is ended.
set -eu

source=$1 folder=$2 mistake=$3
pgbin=${PGBIN:-$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)}
port=${PORT:-54329}

# A server does not run as root.
as=
if [ "$(id -u)" = 0 ]; then
    as='setpriv --reuid=postgres --regid=postgres --clear-groups --'
fi
begin=$(date +%s)
step() {
    echo "── $(($(date +%s) - begin)) s: $1"
}
sql() {
    "$pgbin/psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --command="$1" "$source"
}

umask 077
step "following the log"
$as mkdir "$folder/log"
$as "$pgbin/pg_receivewal" --directory="$folder/log" --dbname="$source" --synchronous --no-loop 2>"$folder/log.txt" &
following=$!
trap 'kill "$following" 2>/dev/null || true' EXIT

step "taking the base backup"
$as "$pgbin/pg_basebackup" --pgdata="$folder/data" --dbname="$source" --wal-method=stream --checkpoint=fast

moment=$(sql 'SELECT pg_sleep(1); SELECT clock_timestamp()' | tail -n 1)
step "the moment to come back to is $moment; what comes behind it is the mistake"
sql "SELECT pg_sleep(1); $mistake" >/dev/null
# A segment is followed to its end, and begins anew.
segment=$(sql 'SELECT pg_walfile_name(pg_switch_wal())')
waited=0
until [ -e "$folder/log/$segment" ]; do
    sleep 0.2
    waited=$((waited + 1))
    [ "$waited" -lt 300 ] || { echo "the log does not come: $(cat "$folder/log.txt")" >&2; exit 1; }
done

step "bringing it back"
$as sh -c 'cat >>"$1/data/postgresql.auto.conf"; touch "$1/data/recovery.signal"' - "$folder" <<CONF
restore_command = 'cp "$folder/log/%f" "%p"'
recovery_target_time = '$moment'
recovery_target_action = promote
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder'
archive_mode = off
CONF
$as rm -f "$folder/data/postmaster.pid" "$folder/data/standby.signal"
$as "$pgbin/pg_ctl" --pgdata="$folder/data" --log="$folder/server.txt" --wait --timeout=600 start >/dev/null

step "it serves at 127.0.0.1:$port; end it: pg_ctl --pgdata=$folder/data --mode=fast stop"
