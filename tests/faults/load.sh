# The load during a fault.  Sourced after stories.sh and engines.sh.

# load_start PORT...: publishers and readers on these replicas, until load_end
load_start() {
  local _
  mkfifo "$TRUST_STATE/orders"
  RUST_BACKTRACE=0 "$BULLA_BIN_DIR/fault-load" "$@" <"$TRUST_STATE/orders" >"$TRUST_STATE/load.log" 2>&1 &
  LOAD_PID=$!
  CHILDREN+=("$LOAD_PID")
  exec {ORDERS}>"$TRUST_STATE/orders"
  for _ in $(seq 1 600); do
    if grep -q '^ready$' "$TRUST_STATE/load.log"; then sleep "${LOAD_SECONDS:-5}"; return; fi
    kill -0 "$LOAD_PID" 2>/dev/null || break
    sleep 0.1
  done
  fail "the load did not begin: $(tail -3 "$TRUST_STATE/load.log")"
}

# order fault|healed|stop
order() { echo "$1" >&"$ORDERS"; }

# load_end: some seconds more, then the last look at everything
load_end() {
  local line status=0
  sleep "${LOAD_SECONDS_AFTER:-15}"
  order stop
  wait "$LOAD_PID" || status=$?
  while read -r line; do case $line in publishes:* | reads:* | afterwards:*) note "$line" ;; esac done <"$TRUST_STATE/load.log"
  [ $status = 0 ] || fail "$(grep '^Error' "$TRUST_STATE/load.log")"
}

# engine_crash: the database is killed; engine_again: it is started again, where it was
engine_crash() {
  case $ENGINE in
    postgres) "${POSTGRES_OWNER[@]}" "$PGBIN/pg_ctl" -D "$POSTGRES_DIR/data" -m immediate stop >/dev/null ;;
    mariadb) kill -KILL "${MARIADB_PIDS[-1]}"; wait "${MARIADB_PIDS[-1]}" ;;
  esac || true
}
engine_again() { "${ENGINE}_again"; }

# engine_signal SIGNAL: to every process of the database
engine_signal() {
  local pid
  case $ENGINE in
    postgres) pid=$(head -1 "$POSTGRES_DIR/data/postmaster.pid") && kill -"$1" "$pid" $(pgrep -P "$pid") ;;
    mariadb) kill -"$1" "${MARIADB_PIDS[-1]}" ;;
  esac
}
