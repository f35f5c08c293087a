# haproxy in front of the databases, the signers and the servers: one address for
# each.  Sourced after processes.sh.
#
# A listener is told by lines; a database's is followed by what says which node
# may be used.  Sets BALANCER_PORTS by the listener's name.
declare -A BALANCER_PORTS=()
BALANCER_CONFIGURATION=

# balancer_listener NAME LINE...: it is tried at the port only unless a LINE says otherwise
balancer_listener() {
  local name=$1
  shift
  BALANCER_PORTS[$name]=$(free_port)
  BALANCER_CONFIGURATION+=$(printf '\n%s\n' "listen $name" "  bind 127.0.0.1:${BALANCER_PORTS[$name]}"; printf '  %s\n' "$@")$'\n'
}

# balanced MILLISECONDS PORT...: lines for all of these, each tried so often, for no longer than that, and left after
# two failures; who was connected to one that is given up has to connect again
balanced() {
  local number=0 port every=$1
  shift
  for port in "$@"; do
    number=$((number + 1))
    echo "server node-$number 127.0.0.1:$port check inter $every fall 2 rise 1 on-marked-down shutdown-sessions"
  done
}

# balancer_start: with all listeners told before
balancer_start() {
  BALANCER_SOCKET=$TRUST_STATE/balancer.sock
  cat >"$TRUST_STATE/balancer.cfg" <<CFG
global
  maxconn 2000
  stats socket $BALANCER_SOCKET mode 600 level admin
  insecure-fork-wanted
  external-check
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  timeout check 2s
  retries 3
  option redispatch 1
$BALANCER_CONFIGURATION
CFG
  haproxy -db -f "$TRUST_STATE/balancer.cfg" >"$TRUST_STATE/balancer.log" 2>&1 &
  BALANCER_PID=$!
  CHILDREN+=("$BALANCER_PID")
  wait_port "${BALANCER_PORTS[database]}" "$BALANCER_PID" haproxy || { tail -5 "$TRUST_STATE/balancer.log" >&2; return 1; }
}

# balancer_uses LISTENER COUNT: until it has found so many nodes good (all count as up before they are tried), at most 30 s
balancer_uses() {
  local _
  for _ in $(seq 1 150); do
    [ "$(socat -t 2 - "UNIX-CONNECT:$BALANCER_SOCKET" <<<"show stat" | awk -F, -v listener="$1" '$1 == listener && $2 ~ /^node-/ && $18 == "UP" && $37 ~ /OK$/' | wc -l)" = "$2" ] && return 0
    sleep 0.2
  done
  echo "haproxy does not use $2 nodes of $1" >&2
  return 1
}
