#!/bin/sh
# Copies the primary once, then follows it: replica.sh postgres -c…
set -eu
data=/var/lib/postgresql/data/pgdata
if [ ! -s "$data/PG_VERSION" ]; then
    # Half of a copy is none.
    rm -rf "$data"
    mkdir -m 700 "$data"
    pg_basebackup --host=primary --username=fairlead_replication --pgdata="$data" --write-recovery-conf \
        --wal-method=stream --checkpoint=fast
fi
exec "$@" -D "$data"
