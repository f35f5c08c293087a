# A PostgreSQL and its synchronous standby: what one acknowledges the other has
# written down.  Sourced after postgres.sh.  Sets PAIR_PORTS and PAIR_DIRS, of
# the primary and the standby as they began.

# postgres_pair_start DIR: both, without databases
postgres_pair_start() {
  local _
  POSTGRES_MORE="-c wal_level=replica -c wal_log_hints=on -c synchronous_commit=on" postgres_start "$1/one" on || return 1
  PAIR_PORTS=("$POSTGRES_PORT") PAIR_DIRS=("$1/one")
  PAIR_PORTS+=("$(free_port)") PAIR_DIRS+=("$1/two")
  postgres_standby_of "${PAIR_PORTS[0]}" "${PAIR_DIRS[1]}" "${PAIR_PORTS[1]}" || return 1
  # after the copy was made: the standby must not wait for a standby of its own when it is promoted
  postgres_sql postgres -c "alter system set synchronous_standby_names = 'FIRST 1 (standby)'" -c "select pg_reload_conf()" >/dev/null || return 1
  for _ in $(seq 1 100); do
    [ "$(postgres_sql postgres <<<"select count(*) from pg_stat_replication where sync_state = 'sync'")" = 1 ] && return 0
    sleep 0.1
  done
  echo "postgres: the standby does not follow, see ${PAIR_DIRS[1]}/server.log" >&2
  return 1
}

# postgres_standby_of PRIMARY_PORT DIR PORT: a standby that copies the primary anew and follows it
postgres_standby_of() {
  mkdir -p "$2"
  [ "$(id -u)" != 0 ] || chown postgres "$2"
  rm -rf "$2/data"
  "${POSTGRES_OWNER[@]}" "$PGBIN/pg_basebackup" -D "$2/data" -R -c fast -X stream \
    -d "host=127.0.0.1 port=$1 user=postgres application_name=standby" >"$2.basebackup.log" 2>&1 ||
    { echo "postgres: pg_basebackup failed, see $2.basebackup.log" >&2; return 1; }
  "${POSTGRES_OWNER[@]}" sed -i '/synchronous_standby_names/d' "$2/data/postgresql.auto.conf"
  "${POSTGRES_OWNER[@]}" "$PGBIN/pg_ctl" -w -D "$2/data" -l "$2/server.log" \
    -o "-c listen_addresses=127.0.0.1 -p $3 -k $2/data -c fsync=on -c max_connections=400" start >"$2.start.log" 2>&1 ||
    { echo "postgres: the standby did not start, see $2/server.log" >&2; return 1; }
}

# postgres_pair_signal NUMBER SIGNAL: to every process of one of the two
postgres_pair_signal() {
  local postmaster
  postmaster=$(head -1 "${PAIR_DIRS[$1 - 1]}/data/postmaster.pid") || return 1
  # the first among them first: it would start others anew
  kill -"$2" "$postmaster" $(pgrep -P "$postmaster") 2>/dev/null || true
}

# postgres_pair_stop: ends both, at once
postgres_pair_stop() {
  local number
  for number in 1 2; do
    [ ! -e "${PAIR_DIRS[$number - 1]:-/nowhere}/data/postmaster.pid" ] || postgres_pair_signal "$number" CONT
    "${POSTGRES_OWNER[@]}" "$PGBIN/pg_ctl" -D "${PAIR_DIRS[$number - 1]:-/nowhere}/data" -m immediate stop >/dev/null 2>&1 || true
  done
}
