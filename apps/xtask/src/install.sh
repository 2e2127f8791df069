# Installs Debian packages without letting their default instances start: required… -- optional…
# "@" in a name is the major version of PostgreSQL that the distribution comes with.

set -eu
export DEBIAN_FRONTEND=noninteractive

# Installing a server starts it, unless this policy says no. It is there while we install, and no longer.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

apt-get update -q
major=$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)

install() {
    # The names have no blanks in them.
    apt-get install -q -y --no-install-recommends $(echo "$*" | sed "s/@/${major:-15}/g")
}

required=
while [ "$1" != -- ]; do
    required="$required $1"
    shift
done
shift
[ -z "$required" ] || install $required
[ $# -eq 0 ] || install "$@" || echo "not available: $*" >&2
