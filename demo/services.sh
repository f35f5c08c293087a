# Configures, starts and stops a signer, a server and a registry on loopback.
# Sourced by run.sh and serve.sh.
#
# Set before: state (a directory of its own), bin (where the binaries are),
# signer_port, server_port, registry_port.

signer_pid='' server_pid='' registry_pid=''

fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# configure: certificates, the signer's passphrase and both configurations,
# unless they are there from an earlier start.
configure() {
  [ -d "$state/certs" ] || "$bin/certs-dev" "$state/certs" >/dev/null
  [ -f "$state/signer.passphrase" ] || (umask 077 && head -c 30 /dev/urandom | base64 >"$state/signer.passphrase")
  cat >"$state/signer.json" <<JSON
{
  "server": {
    "grpc_addr": "127.0.0.1:$signer_port",
    "tls_cert_file": "certs/signer.crt",
    "tls_key_file": "certs/signer.key",
    "client_ca_file": "certs/ca.crt",
    "allowed_clients": ["bulla-server"]
  },
  "logging": {"level": "info"},
  "storage": {"backend": "sqlite", "db_url": "$state/signer.db", "default_alias": "k1"}
}
JSON
  cat >"$state/server.json" <<JSON
{
  "server": {
    "http_addr": "127.0.0.1:$server_port",
    "tls_cert_file": "certs/server.crt",
    "tls_key_file": "certs/server.key"
  },
  "trust_service": {
    "type": "remote",
    "hostname": "localhost",
    "port": "$signer_port",
    "key_algorithm": "ecdsa",
    "tls_ca_file": "certs/ca.crt",
    "tls_client_cert": "certs/client.crt",
    "tls_client_key": "certs/client.key"
  },
  "logging": {"level": "info"},
  "storage": {"backend": "sqlite", "db_url": "$state/server.db"}
}
JSON
}

start_signer() {
  NOTARY_SIGNER_K1=$(<"$state/signer.passphrase") "$bin/bulla-signer" -config "$state/signer.json" >>"$state/signer.log" 2>&1 &
  signer_pid=$!
  await signer "$signer_port" "$signer_pid"
}

start_server() {
  "$bin/bulla-server" -config "$state/server.json" >>"$state/server.log" 2>&1 &
  server_pid=$!
  await server "$server_port" "$server_pid"
}

# start_registry: Debian's docker-registry where it is installed, else our stand-in; says which in $registry.
start_registry() {
  if [ "${DEMO_REGISTRY:-}" != stand-in ] && command -v docker-registry >/dev/null; then
    registry="docker-registry $(docker-registry --version 2>/dev/null | grep -oE '[0-9]+\.[0-9.]+' | head -n 1)"
    printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {inmemory: {}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
      "$registry_port" >"$state/registry.yml"
    docker-registry serve "$state/registry.yml" >>"$state/registry.log" 2>&1 &
  else
    local because="docker-registry is not installed"
    [ -z "${DEMO_REGISTRY:-}" ] || because="DEMO_REGISTRY asks for it"
    registry="our stand-in (demo-tool registry): $because"
    "$bin/demo-tool" registry "$registry_port" >>"$state/registry.log" 2>&1 &
  fi
  registry_pid=$!
  await registry "$registry_port" "$registry_pid"
}

# await NAME PORT PID: until the port accepts; fails after 30 s or when the process ends.
await() {
  local _
  for _ in $(seq 300); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then return 0; fi
    kill -0 "$3" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 5 "$state/$1.log" >&2
  fail "the $1 does not listen on port $2; its log is above"
}

# stop PID: by SIGTERM; by SIGKILL, with a word, after 10 s.
stop() {
  local _
  [ -n "$1" ] && kill "$1" 2>/dev/null || return 0
  for _ in $(seq 100); do
    kill -0 "$1" 2>/dev/null || { wait "$1" 2>/dev/null || true; return 0; }
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
  echo "process $1 had to be killed: it did not end within 10 s of SIGTERM" >&2
}

stop_all() {
  stop "$server_pid"
  stop "$signer_pid"
  stop "$registry_pid"
  server_pid='' signer_pid='' registry_pid=''
}
