#!/bin/sh
# bench/peers.sh FILE_1K FILE_10K: bench/peers.py in an environment of its own (build/peers, made
# once from bench/requirements.txt).  Without Python, network or space: a line on standard error,
# and no figures.
set -eu
cd "$(dirname "$0")/.."
venv=build/peers

fail() {
    echo "bench/peers.sh: no peers: $1" >&2
    exit 1
}

if ! cmp -s bench/requirements.txt "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2 || fail "python3 -m venv does not work here"
    timeout 300 "$venv/bin/pip" --quiet --disable-pip-version-check --timeout 10 --retries 0 \
        install --no-deps -r bench/requirements.txt >&2 || fail "pip could not install them"
    cp bench/requirements.txt "$venv"
fi
exec "$venv/bin/python" bench/peers.py "$@"
