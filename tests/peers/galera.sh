# A Galera cluster of two MariaDB nodes on loopback.  Sourced after mariadb.sh.
# Sets GALERA_PORTS; mariadb_stop ends both nodes.

galera_start() { # DIR
  local first
  mkdir -p "$1"
  first=$(free_port)
  _galera_node "$1/one" "$first" gcomm:// || return 1
  GALERA_PORTS=("$MARIADB_PORT")
  _galera_node "$1/two" "$(free_port)" "gcomm://127.0.0.1:$first" || return 1
  GALERA_PORTS+=("$MARIADB_PORT")
}

# _galera_node DIR GROUP_PORT CLUSTER
_galera_node() {
  mariadb_start "$1" off --wsrep-on=ON --wsrep-provider=/usr/lib/galera/libgalera_smm.so \
    --wsrep-cluster-name="bulla-$$" --wsrep-cluster-address="$3" --wsrep-node-address=127.0.0.1 \
    --wsrep-provider-options="gmcast.listen_addr=tcp://127.0.0.1:$2;ist.recv_addr=127.0.0.1:$(free_port)" \
    --wsrep-sst-method=rsync --wsrep-sst-receive-address="127.0.0.1:$(free_port)" \
    --binlog-format=ROW --innodb-autoinc-lock-mode=2
}
