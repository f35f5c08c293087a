# A Galera cluster of MariaDB nodes on loopback, which copy to each other what is
# committed on any.  Sourced after mariadb.sh.  Sets GALERA_PORTS and GALERA_PIDS;
# mariadb_stop ends all nodes.

# galera_start DIR [NODES]: two unless said otherwise
galera_start() {
  local number groups=() most=${2:-2}
  mkdir -p "$1"
  for number in $(seq "$most"); do groups+=("127.0.0.1:$(free_port)"); done
  GALERA_CLUSTER=gcomm://$(IFS=,; echo "${groups[*]}")
  GALERA_DIRS=() GALERA_PORTS=() GALERA_PIDS=() GALERA_OPTIONS=()
  for number in $(seq "$most"); do _galera_node "$1/$number" "${groups[number - 1]}" "$number" || return 1; done
}

# _galera_node DIR GROUP_ADDRESS NUMBER: the first one begins the cluster
_galera_node() {
  local begins=()
  [ "$3" != 1 ] || begins=(--wsrep-new-cluster)
  mariadb_start "$1" off --wsrep-on=ON --wsrep-provider=/usr/lib/galera/libgalera_smm.so \
    --wsrep-cluster-name="bulla-$$" --wsrep-cluster-address="$GALERA_CLUSTER" --wsrep-node-address=127.0.0.1 \
    --wsrep-provider-options="gmcast.listen_addr=tcp://$2;ist.recv_addr=127.0.0.1:$(free_port)" \
    --wsrep-sst-method=rsync --wsrep-sst-receive-address="127.0.0.1:$(free_port)" \
    --binlog-format=ROW --innodb-autoinc-lock-mode=2 "${begins[@]}" || return 1
  GALERA_DIRS+=("$1") GALERA_PORTS+=("$MARIADB_PORT") GALERA_PIDS+=("${MARIADB_PIDS[-1]}")
  # what begins a cluster must not begin another one when the node comes back
  GALERA_OPTIONS+=("$(printf '%q ' "${MARIADB_OPTIONS[@]/#--wsrep-new-cluster/--wsrep-on=ON}")")
}

# galera_kill NUMBER: the node is gone at once
galera_kill() { kill -KILL "${GALERA_PIDS[$1 - 1]}" && wait "${GALERA_PIDS[$1 - 1]}" 2>/dev/null || true; }

# galera_again NUMBER: the node is started where it was, and takes from the others what it missed
galera_again() {
  local _
  MARIADB_DIR=${GALERA_DIRS[$1 - 1]} MARIADB_PORT=${GALERA_PORTS[$1 - 1]}
  eval "MARIADB_OPTIONS=(${GALERA_OPTIONS[$1 - 1]})"
  mariadb_again || return 1
  GALERA_PIDS[$1 - 1]=${MARIADB_PIDS[-1]}
  galera_joined "$1"
}

# galera_joined NUMBER: until the node has all that the others have, at most 60 s
galera_joined() {
  local _
  for _ in $(seq 1 120); do
    [ "$(galera_sql "$1" mysql <<<"show status like 'wsrep_local_state_comment'" 2>/dev/null)" = "wsrep_local_state_comment	Synced" ] && return 0
    sleep 0.5
  done
  echo "node $1 has not come back to the cluster" >&2
  return 1
}

# galera_cut NUMBER, galera_mend NUMBER: the node neither hears the others nor is heard, and does again; who is connected stays
galera_cut() { galera_sql "$1" mysql <<<"set global wsrep_provider_options = 'gmcast.isolate=1'"; }
galera_mend() { galera_sql "$1" mysql <<<"set global wsrep_provider_options = 'gmcast.isolate=0'"; }

# galera_sql NUMBER DATABASE: statements on standard input, to one node
galera_sql() { MARIADB_DIR=${GALERA_DIRS[$1 - 1]} mariadb_sql "$2"; }
