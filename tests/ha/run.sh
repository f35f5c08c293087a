#!/bin/bash
# Two servers and two signers behind a balancer, on a PostgreSQL with a synchronous
# standby or on three Galera nodes: something of it is killed or cut off during 50
# publishes a second with readers.  What was acknowledged is there afterwards, every
# repository can be read with all its signatures, no reader was shown anything older,
# and nobody had to lend a hand.  TAP on standard output, figures as comments.
#
#   tests/ha/run.sh [FAULT...]     those of the list at the end; all without one
#
#   FAULT_SECONDS   how long a fault lasts where it ends (default 10)
#   BULLA_BIN_DIR   where the binaries are (default: the debug build)
#   STORIES_KEEP=1  keep the work directories (all logs)
#   CI=true         what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/required.sh"
. "$HERE/../peers/processes.sh"
. "$HERE/../peers/engines.sh"
. "$HERE/../peers/galera.sh"
. "$HERE/../peers/postgres-pair.sh"
. "$HERE/../peers/pki.sh"
. "$HERE/../peers/stories.sh"
. "$HERE/../peers/halves.sh"
. "$HERE/../faults/load.sh"
. "$HERE/balancer.sh"

FAULT_SECONDS=${FAULT_SECONDS:-10}
export TRUST_PLAIN=1 TRUST_LOG_LEVEL=warning

# ours PAIR|GALERA: databases, a balancer, two signers, two servers, and the load on their one address
ours() {
  local number signers servers signer_port
  signers=("$(free_port)" "$(free_port)") servers=("$(free_port)" "$(free_port)")
  mapfile -t lines < <(balanced 500 "${signers[@]}")
  balancer_listener signer "${lines[@]}"
  mapfile -t lines < <(balanced 500 "${servers[@]}")
  balancer_listener server "balance roundrobin" "${lines[@]}"
  "databases_$1"
  balancer_start || fail "haproxy did not start"
  balancer_uses database "$DATABASES" || fail "the balancer does not find the databases"
  SIGNERS=() SERVERS=()
  for number in 1 2; do
    SIGNER_PORT=${signers[number - 1]}
    mkdir -p "$TRUST_STATE/signer-$number"
    TRUST_STATE=$TRUST_STATE/signer-$number start_signer "$(program signer bulla)" "$(engine_storage signer)" || fail "signer $number did not start"
    SIGNERS+=("$SIGNER_PID")
  done
  SIGNER_PORT=${BALANCER_PORTS[signer]}
  balancer_uses signer 2 || fail "the balancer does not find the signers"
  for number in 1 2; do
    start_server "$(program server bulla)" "127.0.0.1:${servers[number - 1]}" "$(engine_storage server)" "$(remote_trust)" "server-$number" ||
      fail "server $number did not start"
    SERVERS+=("$SERVER_PID")
  done
  balancer_uses server 2 || fail "the balancer does not find the servers"
  load_start "${BALANCER_PORTS[server]}"
}

# a primary, its synchronous standby, and who promotes it
databases_pair() {
  trap 'stop_children; postgres_pair_stop' EXIT
  postgres_pair_start "$TRUST_STATE/postgres" || fail "PostgreSQL did not start"
  ENGINE=postgres
  mapfile -t lines < <(balanced 500 "${PAIR_PORTS[@]}")
  # the standby takes no connection before it is promoted
  balancer_listener database "${lines[0]}" "${lines[1]} disabled"
  DATABASES=1
  engine_database signer && engine_database server || fail "no databases"
  POSTGRES_PORT=${BALANCER_PORTS[database]}
}

# promoter_start: after the balancer, which it tells where the primary is
promoter_start() {
  PRIMARY_PORT=${PAIR_PORTS[0]} STANDBY_PORT=${PAIR_PORTS[1]} STANDBY_DATA=${PAIR_DIRS[1]}/data PROMOTE="${POSTGRES_OWNER[*]}" \
    PGBIN=$PGBIN BALANCER_SOCKET=$BALANCER_SOCKET "$HERE/promoter.sh" >"$TRUST_STATE/promoter.log" 2>&1 &
  CHILDREN+=($!)
}

# promoter_says WORD: until it has, at most 30 s
promoter_says() {
  local _ began=$EPOCHREALTIME
  for _ in $(seq 1 300); do
    if grep -q "$1" "$TRUST_STATE/promoter.log"; then note "$1 after $(bc <<<"scale=1; ($EPOCHREALTIME - $began) / 1") s"; return; fi
    sleep 0.1
  done
  fail "the promoter did not say '$1': $(tail -1 "$TRUST_STATE/promoter.log")"
}

# three nodes; all write to the first that may be used
databases_galera() {
  galera_start "$TRUST_STATE/galera" 3 || fail "Galera did not start"
  ENGINE=mariadb
  engine_database signer && engine_database server || fail "no databases"
  galera_sql 1 mysql <<<"create user balancer@'%'" || fail "no account for the balancer"
  mapfile -t lines < <(balanced 1500 "${GALERA_PORTS[@]}")
  balancer_listener database "option external-check" "external-check command $HERE/node-ready.sh" \
    "${lines[0]}" "${lines[1]} backup" "${lines[2]} backup"
  DATABASES=3
  MARIADB_PORT=${BALANCER_PORTS[database]}
}

# the primary is killed: the standby is promoted
primary_killed() {
  ours pair
  promoter_start
  order fault
  postgres_pair_signal 1 KILL
  promoter_says promoted
  order healed
  load_end
}

# the primary stands still, as one whose network is gone; when it comes back nobody listens to it
primary_cut_off() {
  ours pair
  promoter_start
  order fault
  postgres_pair_signal 1 STOP
  promoter_says promoted
  order healed
  sleep "$FAULT_SECONDS"
  postgres_pair_signal 1 CONT
  load_end
}

# the standby is killed: the primary goes on alone
standby_killed() {
  ours pair
  promoter_start
  order fault
  postgres_pair_signal 2 KILL
  promoter_says alone
  order healed
  load_end
}

# of three nodes the one that all write to is killed, and comes back later
node_killed() {
  ours galera
  order fault
  galera_kill 1
  sleep "$FAULT_SECONDS"
  order healed
  galera_again 1 || fail "the node did not come back"
  load_end
  all_nodes_agree
}

# the same node is cut off from the others, but not from who writes to it
node_cut_off() {
  ours galera
  order fault
  galera_cut 1
  # the others wait five seconds for it before they go on
  sleep $((FAULT_SECONDS * 3))
  order healed
  galera_mend 1 && galera_joined 1 || fail "the node did not come back"
  load_end
  grep -Eq '^publishes: .* [1-9][0-9]{2,} during the fault' "$TRUST_STATE/load.log" || fail "nothing was published without the node"
  all_nodes_agree
}

# all_nodes_agree: on what is stored
all_nodes_agree() {
  local number said=()
  for number in 1 2 3; do
    said+=("$(galera_sql "$number" notaryserver <<<"set session wsrep_sync_wait = 7, group_concat_max_len = 1 << 30; select count(*), max(id), md5(group_concat(sha256 order by id)) from tuf_files")")
  done
  expect "${said[1]}" "${said[0]}" "the second node"
  expect "${said[2]}" "${said[0]}" "the third node"
  note "rows, newest and digest of all rows on each node: ${said[0]//$'\t'/ }"
}

# of two servers one is killed
server_killed() {
  ours "$1"
  order fault
  kill -KILL "${SERVERS[0]}"
  sleep "$FAULT_SECONDS"
  order healed
  load_end
}

# of two signers one is killed
signer_killed() {
  ours "$1"
  order fault
  kill -KILL "${SIGNERS[0]}"
  sleep "$FAULT_SECONDS"
  order healed
  load_end
}

require_peers
require_bulla bulla-server bulla-signer fault-load
peer_versions
stories_begin ha
faults=(primary_killed primary_cut_off standby_killed server_killed:pair signer_killed:pair
  node_killed node_cut_off server_killed:galera signer_killed:galera)
[ "${*:-all}" != all ] || set -- "${faults[@]}"
for fault in "$@"; do
  IFS=: read -ra parts <<<"$fault"
  tell "${fault//:/-}" "$fault: nothing acknowledged is lost, every repository is readable, no hand is needed" "${parts[@]}"
done
stories_end
