#!/bin/bash
# Watches a PostgreSQL and its synchronous standby behind haproxy, and does what
# an administrator would do: it is the one who decides, so there is one of it.
#
#   tests/ha/promoter.sh
#
# From the environment: PRIMARY_PORT, STANDBY_PORT, STANDBY_DATA (directory),
# PROMOTE (command before pg_ctl, by words: the account of the database), PGBIN,
# BALANCER_SOCKET (the listener "database" has node-1, the primary, and node-2).
#
# * The primary gives no answer three times in a row: it is cut off from everybody
#   first, as it may come back and know nothing of it, and then the standby is promoted.
# * The standby is gone: commits wait for it, and are let go after the same time.
#   From then on it lacks what was acknowledged, and is not promoted any more, nor
#   waited for when it comes back: that is for a person to arrange.
set -u
PERIOD=0.5
PATIENCE=3

say() { echo "$(date -u +%H:%M:%S.%3N) $*"; }
ask() { timeout 2 psql -qXAt -h 127.0.0.1 -p "$1" -U postgres -v ON_ERROR_STOP=1 -c "$2" postgres 2>/dev/null; }
balancer() { socat -t 2 - "UNIX-CONNECT:$BALANCER_SOCKET" <<<"$1"; }

promote() {
  say "the primary does not answer: it is cut off"
  balancer "set server database/node-1 state maint; shutdown sessions server database/node-1"
  read -ra words <<<"$PROMOTE"
  "${words[@]}" "$PGBIN/pg_ctl" -w -D "$STANDBY_DATA" promote >/dev/null || { say "the standby cannot be promoted"; exit 1; }
  balancer "set server database/node-2 state ready"
  say "promoted"
}

# let_go: commits wait for no standby any more
let_go() {
  ask "$PRIMARY_PORT" "alter system set synchronous_standby_names = ''" && ask "$PRIMARY_PORT" "select pg_reload_conf()" >/dev/null
}

# is_alone is noted before commits are let go, so that a standby that may lack something is never promoted
primary_missed=0 standby_missed=0 is_alone=false is_let_go=false
while sleep "$PERIOD"; do
  if following=$(ask "$PRIMARY_PORT" "select count(*) from pg_stat_replication where state = 'streaming'"); then
    primary_missed=0
    if [ "$following" -gt 0 ]; then standby_missed=0; else standby_missed=$((standby_missed + 1)); fi
  else
    primary_missed=$((primary_missed + 1))
  fi
  if [ $primary_missed -ge $PATIENCE ]; then
    if $is_alone; then say "the primary does not answer, and the standby lacks what was acknowledged: a person must look"; exit 1; fi
    promote
    exit 0
  fi
  [ $standby_missed -lt $PATIENCE ] || is_alone=true
  # tried again until it is done: commits wait meanwhile
  if $is_alone && ! $is_let_go && let_go; then
    is_let_go=true
    say "the standby is gone: the primary goes on alone"
  fi
done
