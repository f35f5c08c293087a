# A PostgreSQL of one run's own: its own directory and port, loopback only.
# Sourced after processes.sh.  Sets PGBIN, POSTGRES_DIR and POSTGRES_PORT.

# postgres_start DIR [FSYNC]: a new cluster in DIR, listening on a free port.
# FSYNC is off unless said otherwise: tests throw the data away, figures do not.
# POSTGRES_MORE are further options of the server.
postgres_start() {
  local fsync=${2:-off} owner=()
  PGBIN=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -1)
  [ -x "$PGBIN/initdb" ] || { echo "postgres: no server programs under /usr/lib/postgresql" >&2; return 1; }
  mkdir -p "$1"
  # PostgreSQL refuses to run as root
  if [ "$(id -u)" = 0 ]; then
    chown postgres "$1"
    owner=(setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/tmp)
  fi
  "${owner[@]}" "$PGBIN/initdb" -N -D "$1/data" -A trust -U postgres -E UTF8 --locale=C >"$1.initdb.log" 2>&1 ||
    { echo "postgres: initdb failed, see $1.initdb.log" >&2; return 1; }
  POSTGRES_PORT=$(free_port)
  POSTGRES_OPTIONS="-c listen_addresses=127.0.0.1 -p $POSTGRES_PORT -k $1/data -c fsync=$fsync -c max_connections=400 ${POSTGRES_MORE:-}"
  POSTGRES_DIR=$1
  POSTGRES_OWNER=("${owner[@]}")
  postgres_again
}

# postgres_again: starts the last one again, where it was
postgres_again() {
  "${POSTGRES_OWNER[@]}" "$PGBIN/pg_ctl" -w -D "$POSTGRES_DIR/data" -l "$POSTGRES_DIR/server.log" \
    -o "$POSTGRES_OPTIONS" start >"$POSTGRES_DIR.start.log" 2>&1 ||
    { echo "postgres: the server did not start, see $POSTGRES_DIR/server.log" >&2; return 1; }
}

# postgres_stop [MODE]: stops it, at once unless MODE (fast, smart) says otherwise.
postgres_stop() {
  [ -n "${POSTGRES_DIR:-}" ] || return 0
  "${POSTGRES_OWNER[@]}" "$PGBIN/pg_ctl" -D "$POSTGRES_DIR/data" -m "${1:-immediate}" stop >/dev/null 2>&1 || true
  POSTGRES_DIR=
}

# postgres_sql DATABASE [ARGS]: psql on it, as the owner, stopping at the first
# error; bare rows on standard output
postgres_sql() {
  local database=$1
  shift
  psql -qXAt -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres -v ON_ERROR_STOP=1 "$@" "$database"
}

# postgres_url DATABASE: where it is
postgres_url() { printf 'postgres://postgres@127.0.0.1:%s/%s?sslmode=disable' "$POSTGRES_PORT" "$1"; }
