# Stops the services recorded below a folder, and removes the folder if it is a temporary one.
#
# Standard input is a pipe whose other end the owner of the services holds: it ends when the owner does, in
# whatever way it does. Arguments: the folder of the services; a folder to remove, or nothing.
#
# A record is the file "process" in a service's folder: pid, start time in clock ticks, signal that stops it.

trap '' HUP INT QUIT TERM
place=$1
remove=$2
while read -r _; do :; done

# Sets state, parent and started of a process; fails if it is gone. The name before ") " may contain blanks.
look_at() {
    read -r line <"/proc/$1/stat" || return 1
    set -- ${line##*") "}
    state=$1 parent=$2 started=${20}
}

is_alive() {
    look_at "$1" && [ "$started" = "$2" ] && [ "$state" != Z ]
}

# Sets tree to a process and all its descendants.
find_tree() {
    tree=" $1 " grown=yes
    while [ "$grown" ]; do
        grown=
        for entry in /proc/[0-9]*; do
            candidate=${entry#/proc/}
            look_at "$candidate" || continue
            case $tree in
                *" $candidate "*) ;;
                *" $parent "*) tree="$tree$candidate " grown=yes ;;
            esac
        done
    done
}

for_each_alive() {
    found=
    for record in "$place"/*/process; do
        read -r pid ticks signal <"$record" || continue
        is_alive "$pid" "$ticks" || continue
        found=yes
        "$1"
    done
}

ask_to_stop() {
    kill -s "$signal" -- "$pid"
    find_tree "$pid"
    kill -s CONT -- $tree    # it may have been paused
}

kill_all() {
    find_tree "$pid"
    kill -s KILL -- $tree
}

for_each_alive ask_to_stop
patience=300
while for_each_alive : && [ "$found" ]; do
    patience=$((patience - 1))
    [ "$patience" -gt 0 ] || for_each_alive kill_all
    sleep 0.1
done
rm -f -- "$place"/*/process

# A dying process may still write a file.
[ -z "$remove" ] || rm -rf -- "$remove" || { sleep 1; rm -rf -- "$remove"; }
