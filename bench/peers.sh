#!/bin/sh
# bench/peers.sh PROGRAM ARGUMENT...: bench/PROGRAM.py (peers or peers_train) in an environment of its
# own (build/PROGRAM, made once from the file of its requirements).  Without Python, network or space:
# a line on standard error, and no figures.
set -eu
cd "$(dirname "$0")/.."
program=$1
shift
venv=build/$program
needed=bench/requirements${program#peers}.txt

fail() {
    echo "bench/peers.sh: no peers: $1" >&2
    exit 1
}

if ! cmp -s "$needed" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2 || fail "python3 -m venv does not work here"
    timeout 900 "$venv/bin/pip" --quiet --disable-pip-version-check --timeout 10 --retries 0 \
        install --no-deps -r "$needed" >&2 || fail "pip could not install them"
    cp "$needed" "$venv/requirements.txt"
fi
exec "$venv/bin/python" "bench/$program.py" "$@"
