#!/bin/sh
# Operations on files of a small run that fail, or are the last, and crashes of the machine, in a first
# run and in one that goes on after a kill: at some of them.  All of them: tests/slow/fault_loop.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"

record 1
record 2
record_resumed 1a 'write.*structure.journal'
record_resumed 1b 'rename.*ckpt'
record_resumed 2b 'rename.*ckpt'
{
    cases kill 0 1 7
    cases eio 0 1 17
    cases enospc 0 1 29
    cases short 0 1 19
    cases none 0 1 13
    cases some1 0 1 23
    cases kill 0 2 61
    cases kill 1 2 31
    cases eio 0 2 41
    cases eio 1 2 11
    cases some2 0 2 61
    cases kill 0 1a 61
    cases none 0 1a 67
    cases some3 0 1a 71
    cases kill 0 1b 47
    cases eio 0 1b 67
    cases none 0 1b 53
    cases some4 0 1b 59
    cases kill 1 2b 43
    cases some5 0 2b 97
    # Writing a file of the self-test, and closing it: what HDF5 could not write must not be met again
    # by the end of the program.
    for kind in eio enospc; do
        grep 'write.*selftest' list.1 | sed -n '2p;4p;40p' | cut -d ' ' -f 2 | sed "s/^/$kind /; s/$/ 0 1/"
    done
} >cases.txt
judge cases.txt
finish
