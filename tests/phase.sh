#!/bin/bash
# phase.sh NAME COMMAND...: runs a part of a longer run and says how long it took.
set -u
name=$1
shift
echo "== $name"
started=$SECONDS
"$@"
status=$?
if [ $status = 0 ]; then verdict=passed; else verdict="failed ($status)"; fi
echo "== $name: $verdict after $((SECONDS - started)) s"
exit $status
