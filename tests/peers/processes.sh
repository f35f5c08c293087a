# Starting, configuring and stopping a content-trust server and its signer, the
# reference's or Bulla's: both are called alike and read the same JSON.  Sourced.
#
# From the environment: TRUST_STATE (private directory), TRUST_TLS_CERT,
# TRUST_TLS_KEY, TRUST_TLS_CA (one certificate for server and client use), and
# what auth_section names.  TRUST_PLAIN=1 serves plain HTTP, and TRUST_LIMITS is
# the limits section for Bulla.  CHILDREN holds the processes started.
CHILDREN=()

# free_port: one below those that the system gives to connections, which could
# take it before the server does
free_port() {
  python3 -c '
import random, socket
while True:
    port = random.randrange(15000, 32000)
    try:
        socket.socket().bind(("127.0.0.1", port))
    except OSError:
        continue
    print(port)
    break'
}

# wait_port PORT PID NAME: until PORT on loopback accepts, at most 30 s; fails
# when the process PID ends before that.
wait_port() {
  local _
  for _ in $(seq 1 300); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
    kill -0 "$2" 2>/dev/null || { echo "$3 ended before it listened on port $1" >&2; return 1; }
    sleep 0.1
  done
  echo "$3 does not listen on port $1 after 30 s" >&2
  return 1
}

# start_signer PROGRAM STORAGE_JSON: sets SIGNER_PORT and SIGNER_PID.  For Bulla's,
# SIGNER_SECTIONS are further sections, each with its comma after it, and
# SIGNER_MEMBERS further members of the server section, each with its comma before it.
start_signer() {
  SIGNER_PORT=${SIGNER_PORT:-$(free_port)}
  cat >"$TRUST_STATE/signer.json" <<JSON
{"server": {"grpc_addr": "127.0.0.1:$SIGNER_PORT", "tls_cert_file": "$TRUST_TLS_CERT", "tls_key_file": "$TRUST_TLS_KEY",
            "client_ca_file": "$TRUST_TLS_CA", "allowed_clients": ["notary.test"]${SIGNER_MEMBERS:-}},
 ${SIGNER_SECTIONS:-} "logging": {"level": "${TRUST_LOG_LEVEL:-info}"},
 "storage": $2}
JSON
  NOTARY_SIGNER_K1=${SIGNER_PASSPHRASE:-a-long-signer-passphrase} "$1" -config "$TRUST_STATE/signer.json" >>"$TRUST_STATE/signer.log" 2>&1 &
  SIGNER_PID=$!
  CHILDREN+=("$SIGNER_PID")
  wait_port "$SIGNER_PORT" "$SIGNER_PID" "$1" || { tail -5 "$TRUST_STATE/signer.log" >&2; return 1; }
}

# storage server|signer BACKEND URL: the storage section; the signer's names the
# alias of its passphrase
storage() {
  local alias=
  [ "$1" = server ] || alias=', "default_alias": "'${SIGNER_ALIAS:-k1}'"'
  printf '{"backend": "%s", "db_url": "%s"%s}' "$2" "$3" "$alias"
}

# sqlite_storage server|signer: the storage section for a SQLite file, which
# only Bulla knows.
sqlite_storage() { storage "$1" sqlite "$TRUST_STATE/bulla-$1.db"; }

# remote_trust: the trust_service section for the signer that was started, with keys of KEY_ALGORITHM.
remote_trust() {
  printf '{"type": "remote", "hostname": "localhost", "port": "%s", "key_algorithm": "%s", "tls_ca_file": "%s", "tls_client_cert": "%s", "tls_client_key": "%s"}' \
    "$SIGNER_PORT" "${KEY_ALGORITHM:-ecdsa}" "$TRUST_TLS_CA" "$TRUST_TLS_CERT" "$TRUST_TLS_KEY"
}

# auth_section: the auth section, with its comma, or nothing.
auth_section() {
  [ "${TRUST_AUTH:-none}" = token ] || return 0
  printf '"auth": {"type": "token", "options": {"realm": "%s", "service": "%s", "issuer": "%s", "rootcertbundle": "%s"}},' \
    "$TRUST_TOKEN_REALM" "$TRUST_TOKEN_SERVICE" "$TRUST_TOKEN_ISSUER" "$TRUST_TOKEN_CERTS"
}

# tls_members: the certificate of the server section, with its comma, or nothing.
tls_members() {
  [ "${TRUST_PLAIN:-}" = 1 ] || printf ', "tls_cert_file": "%s", "tls_key_file": "%s"' "$TRUST_TLS_CERT" "$TRUST_TLS_KEY"
}

# start_server PROGRAM LISTEN STORAGE_JSON TRUST_SERVICE_JSON [NAME]: sets SERVER_PID.  For Bulla's,
# SERVER_SECTIONS are further sections, each with its comma after it.
# NAME, of its configuration and its log, tells replicas apart.
start_server() { launch_server "$@" && await_server "$2" "$SERVER_PID" "${5:-server}"; }

# launch_server: the same without waiting
launch_server() {
  local name=${5:-server}
  cat >"$TRUST_STATE/$name.json" <<JSON
{"server": {"http_addr": "$2"$(tls_members)},
 $(auth_section) ${SERVER_SECTIONS:-} ${TRUST_LIMITS:+"\"limits\": $TRUST_LIMITS,"} "trust_service": $4,
 "logging": {"level": "${TRUST_LOG_LEVEL:-info}"},
 "storage": $3}
JSON
  "$1" -config "$TRUST_STATE/$name.json" >>"$TRUST_STATE/$name.log" 2>&1 &
  SERVER_PID=$!
  CHILDREN+=("$SERVER_PID")
}

# await_server LISTEN PID NAME: until it answers; its port may accept before its database is open
await_server() {
  local scheme=https
  [ "${TRUST_PLAIN:-}" != 1 ] || scheme=http
  wait_port "${1##*:}" "$2" "$3" && curl -sk --noproxy '*' --max-time 30 -o /dev/null "$scheme://127.0.0.1:${1##*:}/v2/" ||
    { tail -5 "$TRUST_STATE/$3.log" >&2; return 1; }
}

# clock_mover: the library that moves a program's clock by FAKETIME.  Go's
# programs do not ask libc for the time, so the reference's stays where it is.
clock_mover() { compgen -G '/usr/lib/*/faketime/libfaketime.so.1'; }

# stop_children: ends them by SIGTERM, the last started first.  One that does
# not end within 10 s is killed, and that is said: it is a defect of the program.
stop_children() {
  local i pid _
  for ((i = ${#CHILDREN[@]} - 1; i >= 0; i--)); do
    pid=${CHILDREN[i]}
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 1 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    if kill -KILL "$pid" 2>/dev/null; then echo "process $pid did not end within 10 s of SIGTERM" >&2; fi
    wait "$pid" 2>/dev/null || true
  done
  CHILDREN=()
}

# serve_until_end: stays in the foreground until a child ends by itself, which
# is a failure.  Signals are the caller's: its EXIT trap stops the children.
serve_until_end() {
  wait -n "${CHILDREN[@]}" || true
  echo "a server process ended by itself" >&2
  exit 1
}
