# Ends the processes of a testbed when its owner is gone, however it went: return, panic, Ctrl-C or SIGKILL.
#
# $1 is the testbed's directory; each of its processes has written its pid, which is also its process group, to a file in
# pids/ before it became the program. Standard input is a pipe that only the owner holds: its end is the owner's end.
dir=$1
trap '' HUP INT TERM
while read -r _; do :; done

# From here on nothing can start: a process that can't write its pid does not become its program.
mv "$dir/pids" "$dir/ending" 2>/dev/null

# Nothing in a testbed is worth a farewell, and a kube-apiserver would linger for a minute. Repeated, because a process may
# have opened its pid file and not yet written to it.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    alive=
    for file in "$dir"/ending/*; do
        [ -e "$file" ] || continue
        if [ ! -s "$file" ] || kill -KILL "-$(cat "$file")" 2>/dev/null; then alive=yes; fi
    done
    [ "$alive" ] || break
    sleep 0.1
done
for _ in 1 2 3 4 5; do
    rm -rf "$dir" 2>/dev/null && exit
    # Argo CD's folder of repositories can't be read, not even by its owner.
    chmod -R u+rwX "$dir" 2>/dev/null
    sleep 0.1
done
