# The servers that the benchmarks measure, and what is kept of a measurement.
# Sourced after processes.sh, engines.sh and nginx.sh; `bin`, `results` and `work` are the caller's.

# choose_servers DEFAULT: sets `servers` from BENCH_SERVERS, without what is not installed
choose_servers() {
  read -ra servers <<<"${BENCH_SERVERS:-$1}"
  if ! command -v notary-server >/dev/null || ! command -v notary-signer >/dev/null; then
    echo "the reference is not installed: it is left out"
    servers=("${servers[@]/#reference/}")
  fi
  if ! command -v nginx >/dev/null; then
    echo "nginx is not installed: it is left out"
    servers=("${servers[@]/#nginx/}")
  fi
  read -ra servers <<<"${servers[*]}"
}

# needs PROGRAM...: of ours
needs() {
  local program
  for program; do [ -x "$bin/$program" ] || { echo "$bin/$program is missing: cargo build --release first"; exit 1; }; done
}

# start_peer NAME: a server and its signer with empty databases; sets URL.
start_peer() {
  local port
  port=$(free_port)
  URL=https://localhost:$port
  SIGNER_PORT=
  case $1 in
    reference)
      engine_start postgres "$TRUST_STATE/postgres" on
      reference_database signer
      reference_database server
      start_signer notary-signer "$(engine_storage signer)"
      start_server notary-server "127.0.0.1:$port" "$(engine_storage server)" "$(remote_trust)"
      ;;
    bulla-postgresql)
      engine_start postgres "$TRUST_STATE/postgres" on
      reference_database signer
      reference_database server
      start_signer "$bin/bulla-signer" "$(engine_storage signer)"
      start_server "$bin/bulla-server" "127.0.0.1:$port" "$(engine_storage server)" "$(remote_trust)"
      ;;
    bulla-sqlite)
      start_signer "$bin/bulla-signer" "$(sqlite_storage signer)"
      start_server "$bin/bulla-server" "127.0.0.1:$port" "$(sqlite_storage server)" "$(remote_trust)"
      ;;
    nginx) start_nginx "$port" ;;
    *) echo "no such server: $1" >&2; exit 1 ;;
  esac
}

# record NAME MEASURE: takes the RESULT line from standard input, shows the rest on failure
record() {
  local output line
  output=$(cat)
  line=$(sed -n 's/^RESULT //p' <<<"$output")
  if [ -z "$line" ]; then
    echo "no result for $2 of $1:" >&2
    echo "$output" >&2
    exit 1
  fi
  echo "$1 $2 $line $(cut -d' ' -f1 /proc/loadavg)" >>"$results"
  printf '%-16s %-9s %9s/s  errors %s  ms min %s median %s p99 %s max %s\n' "$1" "$2" $line
}

# memory: what the server holds now and the most that it held, in MiB
memory() {
  awk -v name="$1" '/^VmRSS/ { now = $2 } /^VmHWM/ { most = $2 } END { printf "memory %s %.0f %.0f\n", name, now / 1024, most / 1024 }' \
    "/proc/$SERVER_PID/status" >>"$work/memory"
}
