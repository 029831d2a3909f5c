#!/bin/sh
# Operations on files that fail, or are the last: every one of a small run is a place to be killed
# at; errors and crashes of the machine at some.  All of them: tests/slow/fault_loop.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"

record 1
record 2
{
    cases kill 0 1 3
    cases eio 0 1 5
    cases enospc 0 1 9
    cases short 0 1 7
    cases none 0 1 5
    cases some1 0 1 7
    cases kill 0 2 29
    cases kill 1 2 9
    cases eio 0 2 19
    cases eio 1 2 5
    cases some2 0 2 19
} >cases.txt
judge cases.txt
finish
