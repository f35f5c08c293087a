# A MariaDB of one run's own: its own directory and port, loopback only.
# Sourced after processes.sh.  Sets MARIADB_DIR, MARIADB_PORT and
# MARIADB_ACCOUNT (NAME:PASSWORD, which may do everything); the last started
# server is meant where several run.
MARIADB_PIDS=()

# mariadb_start DIR [FSYNC] [OPTION...]: a new server in DIR on a free port.
# FSYNC is off unless said otherwise: tests throw the data away, figures do not.
mariadb_start() {
  local directory=$1 fsync=${2:-off} user password options _
  shift $(($# < 2 ? $# : 2))
  command -v mariadbd mariadb-install-db mariadb >/dev/null || { echo "mariadb: its server programs are not installed" >&2; return 1; }
  user=$(id -un)
  mkdir -p "$directory"
  options=(--no-defaults --datadir="$directory/data" --innodb-log-file-size=32M)
  # MariaDB refuses to run as root; it gives up root itself
  if [ "$user" = root ]; then
    chown mysql "$directory"
    options+=(--user=mysql)
  fi
  mariadb-install-db "${options[@]}" --skip-test-db --auth-root-socket-user="$user" >"$directory.install.log" 2>&1 ||
    { echo "mariadb: mariadb-install-db failed:" >&2; tail -5 "$directory.install.log" >&2; return 1; }
  [ "$fsync" = on ] || options+=(--innodb-flush-method=nosync)
  MARIADB_PORT=$(free_port)
  MARIADB_DIR=$directory
  MARIADB_OPTIONS=("${options[@]}" --bind-address=127.0.0.1 --port="$MARIADB_PORT" --socket="$directory/socket"
    --pid-file="$directory/pid" --skip-name-resolve --max-connections=400 --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci "$@")
  mariadb_again || return 1
  password=$(openssl rand -hex 12)
  MARIADB_ACCOUNT=tests:$password
  # a node of a cluster takes connections before it takes statements
  for _ in $(seq 1 100); do
    mariadb_sql mysql <<<"grant all on *.* to tests@'%' identified by '$password' with grant option" 2>"$directory.account.log" && return 0
    sleep 0.1
  done
  cat "$directory.account.log" >&2
  return 1
}

# mariadb_again: starts the last one again, where it was
mariadb_again() {
  mariadbd "${MARIADB_OPTIONS[@]}" >>"$MARIADB_DIR.log" 2>&1 &
  MARIADB_PIDS+=($!)
  wait_port "$MARIADB_PORT" $! mariadbd || { tail -5 "$MARIADB_DIR.log" >&2; return 1; }
}

# mariadb_stop [SIGNAL]: ends every server started, at once unless SIGNAL (TERM) says otherwise.
mariadb_stop() {
  local pid
  for pid in "${MARIADB_PIDS[@]}"; do
    kill -"${1:-KILL}" "$pid" 2>/dev/null || continue
    wait "$pid" 2>/dev/null || true
  done
  MARIADB_PIDS=()
}

# mariadb_sql DATABASE [ARGS]: the client on it, as the owner, stopping at the
# first error; bare rows on standard output
mariadb_sql() {
  local database=$1
  shift
  mariadb --no-defaults --socket="$MARIADB_DIR/socket" -u "$(id -un)" --batch --skip-column-names "$@" "$database"
}

# mariadb_url DATABASE: where it is, in the form of Go's driver
mariadb_url() { printf '%s@tcp(127.0.0.1:%s)/%s' "$MARIADB_ACCOUNT" "$MARIADB_PORT" "$1"; }
