#!/bin/bash
# Faults during 50 publishes a second with readers: what was acknowledged is
# there afterwards, every repository can be read with all its signatures, and
# nobody had to lend a hand.  TAP on standard output, figures as comments.
#
#   tests/faults/run.sh [FAULT...]     those of the list at the end; all without one, or for "all"
#
#   FAULT_SECONDS          how long a fault lasts where nothing else is said (default 10)
#   FAULT_PAUSE_SECONDS    how long the database is paused (default 30)
#   FAULT_SIGNER_SECONDS   how long the signer is gone (default 600)
#   BULLA_PREVIOUS_BIN_DIR where the programs of the previous release are, which the
#                          fault of two builds needs; they are built if it is not set
#   BULLA_BIN_DIR          where the binaries are (default: the debug build)
#   STORIES_KEEP=1         keep the work directories (all logs)
#   CI=true                what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/required.sh"
. "$HERE/../peers/processes.sh"
. "$HERE/../peers/engines.sh"
. "$HERE/../peers/pki.sh"
. "$HERE/../peers/stories.sh"
. "$HERE/../peers/halves.sh"
. "$HERE/../upgrade/previous-programs.sh"
. "$HERE/load.sh"

FAULT_SECONDS=${FAULT_SECONDS:-10}
FAULT_PAUSE_SECONDS=${FAULT_PAUSE_SECONDS:-30}
FAULT_SIGNER_SECONDS=${FAULT_SIGNER_SECONDS:-600}
export TRUST_PLAIN=1 TRUST_LOG_LEVEL=warning

# left_out WHY: with CI=true what cannot run is a failure
left_out() {
  [ "${CI:-}" != true ] || fail "$1"
  note "left out: $1"
}

# service ENGINE REPLICAS: a signer and so many servers on one database; sets PORTS and SERVERS
service() {
  local number
  engine_start "$1" "$TRUST_STATE/$1" on || fail "$1 did not start"
  engine_database server && engine_database signer || fail "no databases"
  start_signer "$(program signer bulla)" "$(engine_storage signer)" || fail "the signer did not start"
  PORTS=() SERVERS=()
  for number in $(seq "$2"); do replica "$number" "$(program server bulla)"; done
}

# replica NUMBER PROGRAM: starts it, at its old port if it had one
replica() {
  local port=${PORTS[$1 - 1]:-$(free_port)}
  start_server "$2" "127.0.0.1:$port" "$(engine_storage server)" "$(remote_trust)" "server-$1" || fail "replica $1 did not start"
  PORTS[$1 - 1]=$port SERVERS[$1 - 1]=$SERVER_PID
}

# of two replicas one is killed, and started again later
replica_killed() {
  service "$1" 2
  load_start "${PORTS[@]}"
  order fault
  kill -KILL "${SERVERS[0]}"
  sleep "$FAULT_SECONDS"
  replica 1 "$(program server bulla)"
  order healed
  load_end
}

# the database dies and comes back
database_restarted() {
  service "$1" 2
  load_start "${PORTS[@]}"
  order fault
  engine_crash
  sleep 2
  engine_again || fail "the database did not come back"
  order healed
  load_end
}

# the database stands still, and goes on
database_paused() {
  service "$1" 2
  load_start "${PORTS[@]}"
  order fault
  engine_signal STOP
  sleep "$FAULT_PAUSE_SECONDS"
  engine_signal CONT
  order healed
  load_end
}

# nobody signs: publishes are refused as the server's own fault, reads go on
signer_gone() {
  service "$1" 2
  load_start "${PORTS[@]}"
  order fault
  kill -TERM "$SIGNER_PID"
  sleep "$FAULT_SIGNER_SECONDS"
  start_signer "$(program signer bulla)" "$(engine_storage signer)" || fail "the signer did not come back"
  order healed
  load_end
  grep -q '^reads: .*, 0 failed during it' "$TRUST_STATE/load.log" || fail "reads failed while the signer was gone"
  grep -q ' 50[0-9] ' <(grep '^publishes: ' "$TRUST_STATE/load.log") || fail "no publish met the missing signer"
}

# no byte more can be written
disk_full() {
  local whole=$TRUST_STATE/disk
  mkdir "$whole"
  mount -t tmpfs -o size=64m bulla-faults "$whole" || fail "no small disk"
  trap 'stop_children; umount "$TRUST_STATE/disk"' EXIT
  sqlite_storage() { storage "$1" sqlite "$TRUST_STATE/$([ "$1" = signer ] || echo disk/)bulla-$1.db"; }
  service sqlite 1
  load_start "${PORTS[@]}"
  order fault
  # what is left is given back in pieces by the database's own log, so it is filled again
  for _ in $(seq "$FAULT_SECONDS"); do
    dd if=/dev/zero of="$whole/filler" bs=4k oflag=append conv=notrunc status=none 2>/dev/null
    sleep 1
  done
  rm "$whole/filler"
  order healed
  load_end
  grep -q ' 50[0-9] ' <(grep '^publishes: ' "$TRUST_STATE/load.log") || fail "no publish met the full disk"
}

# the servers' clocks jump, and come back
clock_jumped() {
  local library
  library=$(clock_mover) || { left_out "libfaketime is not installed"; return; }
  echo +0 >"$TRUST_STATE/clock"
  export FAKETIME_TIMESTAMP_FILE=$TRUST_STATE/clock FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1
  printf '#!/bin/bash\nexport LD_PRELOAD=%q\nexec %q "$@"\n' "$library" "$BULLA_BIN_DIR/bulla-server" >"$TRUST_STATE/server-with-moved-clock"
  chmod 755 "$TRUST_STATE/server-with-moved-clock"
  program() { case $1 in server) echo "$TRUST_STATE/server-with-moved-clock" ;; *) echo "$BULLA_BIN_DIR/bulla-$1" ;; esac; }
  service "$1" 2
  load_start "${PORTS[@]}"
  order fault
  echo "$2" >"$TRUST_STATE/clock"
  sleep "$FAULT_SECONDS"
  echo +0 >"$TRUST_STATE/clock"
  order healed
  load_end
}

# this build and the previous release, which knows SQLite only, on one file
two_builds() {
  local tag
  tag=$(previous_tag) || { left_out "there is no earlier tag"; return; }
  previous_programs "$tag" || fail "$tag does not build"
  service sqlite 1
  replica 2 "$PREVIOUS/bulla-server"
  load_start "${PORTS[@]}"
  order fault
  sleep "$FAULT_SECONDS"
  order healed
  load_end
}

require_peers
require_bulla bulla-server bulla-signer fault-load
peer_versions
stories_begin faults
faults=(replica_killed:postgres replica_killed:mariadb database_restarted:postgres database_restarted:mariadb
  database_paused:postgres database_paused:mariadb signer_gone:postgres disk_full
  clock_jumped:postgres:+1h clock_jumped:postgres:-1h two_builds)
[ "${*:-all}" != all ] || set -- "${faults[@]}"
for fault in "$@"; do
  IFS=: read -ra parts <<<"$fault"
  name=${fault/:+/-forwards-} name=${name/:-/-backwards-}
  tell "${name//:/-}" "$fault: nothing acknowledged is lost, every repository is readable, no hand is needed" "${parts[@]}"
done
stories_end
