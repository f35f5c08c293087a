#!/bin/bash
# End-to-end acceptance run: Docker Engine, docker CLI, notary CLI, a registry
# and skopeo against one content-trust server, all over TLS.  See README.md.
#
#   TRUST_SERVER_URL=https://HOST:PORT TRUST_CA=ca.pem ./e2e.sh [S1 S7 ...]
#   START_SERVER_CMD='./reference-server.sh' ./e2e.sh
#
# Further switches: E2E_KEEP=1 keeps the work directory; E2E_HTTP_LOG=1 puts a
# TLS-ending, logging relay before the trust server; E2E_VERBOSE=1 prints each
# scenario's log; E2E_IN_PLACE=1 has BULLA_CLI answer `docker trust` and `notary`;
# E2E_STORY=FILE plays the function `story` of that file in place of all scenarios.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PY=${PYTHON:-/usr/bin/python3}
NSIP=192.0.2.10             # TEST-NET-1; lives on lo of the private network namespace

# ---------------------------------------------------------------- outer part
if [ "${1:-}" != --inner ]; then
  for b in unshare ip openssl jq skopeo notary docker dockerd containerd docker-registry curl "$PY"; do
    command -v "$b" >/dev/null || { echo "Bail out! $b is missing"; exit 2; }
  done
  "$PY" -c 'import jwt, cryptography' 2>/dev/null || { echo "Bail out! python3-jwt or python3-cryptography is missing"; exit 2; }
  [ "$(id -u)" = 0 ] || { echo "Bail out! must run as root (dockerd, namespaces)"; exit 2; }
  [ -n "${START_SERVER_CMD:-}${TRUST_SERVER_URL:-}" ] || { echo "Bail out! set TRUST_SERVER_URL and TRUST_CA, or START_SERVER_CMD"; exit 2; }

  W=$(mktemp -d "${TMPDIR:-/tmp}/dct-e2e.XXXXXX"); chmod 711 "$W"
  if [ -n "${DOCKER_CLI:-}" ]; then   # this docker binary instead of the one in PATH
    mkdir "$W/bin" && ln -s "$DOCKER_CLI" "$W/bin/docker" && export PATH="$W/bin:$PATH"
  fi
  if [ "${E2E_IN_PLACE:-0}" = 1 ]; then   # bulla answers `docker trust` and `notary`
    mkdir "$W/in-place" && cp "$HERE"/in-place-of/* "$W/in-place/" || { echo "Bail out! cannot write to $W"; exit 2; }
    printf 'BULLA_CLI=%q DOCKER_BEHIND=%q\n' "$(realpath -e "$BULLA_CLI")" "$(command -v docker)" >"$W/in-place/behind"
    export PATH="$W/in-place:$PATH"
    echo "# bulla in place of docker trust and notary"
  fi
  echo "# $(docker --version), $(dockerd --version), notary $(dpkg-query -W -f '${Version}' notary 2>/dev/null)"
  PIDS=()
  outer_stop() {
    trap - EXIT INT TERM
    # the inner part is init of its own PID namespace: all it started goes with it
    [ -z "${INNER:-}" ] || { kill -KILL "$INNER" 2>/dev/null; wait "$INNER" 2>/dev/null; }
    for ((i=${#PIDS[@]}-1; i>=0; i--)); do kill "${PIDS[i]}" 2>/dev/null; wait "${PIDS[i]}" 2>/dev/null; done
    if [ "${E2E_KEEP:-0}" = 1 ]; then echo "# work directory kept: $W"; else rm -rf "$W"; fi
    exit "${RC:-130}"
  }
  trap outer_stop EXIT INT TERM

  mkdir -p "$W/pki" "$W/log"
  (
    set -e
    . "$HERE/../peers/pki.sh"
    PKI_YEARS_AGO=11   # for clients whose clock is behind
    pki_authority "$W/pki" "e2e test CA"
    pki_leaf "$W/pki" registry.test "DNS:registry.test,IP:$NSIP"
    pki_leaf "$W/pki" auth.test "DNS:auth.test,IP:$NSIP"
    pki_leaf "$W/pki" notary.test "DNS:notary.test,DNS:localhost,IP:127.0.0.1,IP:$NSIP"
    for n in token-sign token-other; do pki_self_signed "$W/pki" $n $n; done
    pki_self_signed "$W/pki" stranger "stranger CA"   # a CA nobody here uses, for the TLS refusal scenario
  ) || { echo "Bail out! openssl failed"; exit 2; }

  freeport() { "$PY" -c 'import socket;s=socket.socket();s.bind(("127.0.0.1",0));print(s.getsockname()[1])'; }
  wait_tls() { # host port seconds
    for _ in $(seq 1 $(( $3 * 10 ))); do
      curl -sk --noproxy '*' --max-time 2 -o /dev/null "https://$1:$2/v2/" && return 0
      sleep 0.1
    done
    return 1
  }
  start_server() { # name auth -> sets P
    P=$(freeport)
    env TRUST_LISTEN=127.0.0.1:$P TRUST_STATE="$W/server-$1" TRUST_AUTH=$2 \
      TRUST_TLS_CERT="$W/pki/notary.test.pem" TRUST_TLS_KEY="$W/pki/notary.test.key" TRUST_TLS_CA="$W/pki/ca.crt" \
      TRUST_TOKEN_REALM=https://auth.test:5002/token TRUST_TOKEN_SERVICE=trust.test TRUST_TOKEN_ISSUER=e2e-issuer \
      TRUST_TOKEN_CERTS="$W/pki/token-sign.crt" \
      bash -c "exec $START_SERVER_CMD" >"$W/log/server-$1.log" 2>&1 &
    PIDS+=($!)
    wait_tls 127.0.0.1 "$P" 60 || { echo "Bail out! the $1 trust server did not come up"; sed 's/^/# /' "$W/log/server-$1.log"; RC=2; exit 2; }
  }
  bridge() { # name host port
    "$PY" "$HERE/relay.py" pipe "unix:$W/$1.sock" "$2:$3" >"$W/log/bridge-$1.log" 2>&1 &
    PIDS+=($!)
  }
  if [ -n "${START_SERVER_CMD:-}" ]; then
    start_server plain none;  PLAIN_PORT=$P; bridge plain 127.0.0.1 "$P"
    start_server token token; TOKEN_PORT=$P; bridge token 127.0.0.1 "$P"
    TRUST_SERVER_URL=https://notary.test:$PLAIN_PORT
    TOKEN_URL=https://notary.test:$TOKEN_PORT
    TRUST_CA=$W/pki/ca.crt
  else
    hp=${TRUST_SERVER_URL#https://}; hp=${hp%%/*}; host=${hp%%:*}; port=${hp##*:}; [ "$port" != "$hp" ] || port=443
    [ -r "${TRUST_CA:-}" ] || { echo "Bail out! TRUST_CA is not readable"; RC=2; exit 2; }
    up=$host; getent hosts "$host" >/dev/null || up=127.0.0.1
    bridge plain "$up" "$port"
    TOKEN_URL=
    export RUN_NS=run$(date +%s)
  fi
  cp "$TRUST_CA" "$W/pki/trust-ca.crt"
  export W TRUST_SERVER_URL TOKEN_URL NSIP PY E2E_HTTP_LOG="${E2E_HTTP_LOG:-0}" E2E_VERBOSE="${E2E_VERBOSE:-0}"
  unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private bash "${BASH_SOURCE[0]}" --inner "$@" &
  INNER=$!
  wait "$INNER"; RC=$?
  INNER=
  exit "$RC"
fi

# ---------------------------------------------------------------- inner part
shift
ONLY=("$@")
PIDS=()
inner_stop() {
  trap - EXIT INT TERM
  for ((i=${#PIDS[@]}-1; i>=0; i--)); do kill "${PIDS[i]}" 2>/dev/null; wait "${PIDS[i]}" 2>/dev/null; done
  exit "${RC:-130}"
}
trap inner_stop EXIT
trap 'RC=130; exit' INT TERM
bail() { echo "Bail out! $*"; RC=2; exit 2; }

ip link set lo up && ip addr add "$NSIP/32" dev lo || bail "cannot set up the network namespace"
urlhost() { local hp=${1#https://}; hp=${hp%%/*}; echo "$hp"; }
TRUST_HP=$(urlhost "$TRUST_SERVER_URL"); TRUST_HOST=${TRUST_HP%%:*}; TRUST_PORT=${TRUST_HP##*:}
[ "$TRUST_PORT" != "$TRUST_HP" ] || TRUST_PORT=443
{ echo "127.0.0.1 localhost"; echo "$NSIP registry.test auth.test"
  case $TRUST_HOST in localhost|[0-9]*) ;; *) echo "$NSIP $TRUST_HOST" ;; esac; } >"$W/hosts"
mount --bind "$W/hosts" /etc/hosts || bail "cannot give the namespace its own hosts file"
case $TRUST_HOST in 127.*|[!0-9]*) ;; *) ip addr add "$TRUST_HOST/32" dev lo ;; esac
mkdir -p /etc/docker && mount -t tmpfs tmpfs /etc/docker || bail "cannot give the namespace its own /etc/docker"
REG=registry.test:5000; AREG=registry.test:5001
# repository names: below a name of this run's own where the server may remember
RP=$REG/${RUN_NS:-}; RP=${RP%/}; ARP=$AREG/${RUN_NS:-}; ARP=${ARP%/}
for r in $REG $AREG; do mkdir -p "/etc/docker/certs.d/$r"; cp "$W/pki/ca.crt" "/etc/docker/certs.d/$r/ca.crt"; done

spawn() { # logname cmd...   (a clean environment, so that no proxy setting leaks in)
  local l=$1; shift
  env -i PATH="$PATH" HOME="$W/svc-home" "$@" >"$W/log/$l.log" 2>&1 &
  PIDS+=($!)
}
mkdir -p "$W/svc-home"
tls_up() { for _ in $(seq 1 150); do curl -s --noproxy '*' --cacert "$W/pki/ca.crt" --max-time 2 -o /dev/null "https://$1$2" && return 0; sleep 0.1; done; return 1; }

# the way to the trust server(s)
HTTPLOG=$W/log/http.log; : >"$HTTPLOG"
front() { # name port
  if [ "$E2E_HTTP_LOG" = 1 ]; then
    spawn "front-$1" "$PY" "$HERE/relay.py" log "0.0.0.0:$2" "unix:$W/$1.sock" "$W/pki/notary.test.pem" "$W/pki/notary.test.key" "$W/pki/trust-ca.crt" "$TRUST_HOST" "$HTTPLOG"
  else
    spawn "front-$1" "$PY" "$HERE/relay.py" pipe "0.0.0.0:$2" "unix:$W/$1.sock"
  fi
}
front plain "$TRUST_PORT"
[ -z "$TOKEN_URL" ] || front token "${TOKEN_URL##*:}"
cat "$W/pki/trust-ca.crt" "$W/pki/ca.crt" >"$W/pki/bundle.crt"
[ "$E2E_HTTP_LOG" = 1 ] && cp "$W/pki/ca.crt" "$W/pki/client-ca.crt" || cp "$W/pki/trust-ca.crt" "$W/pki/client-ca.crt"

# registries
reg_conf() { # port extra
  cat <<Y
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $W/registry-$1}, delete: {enabled: true}, cache: {blobdescriptor: inmemory}}
http: {addr: "$NSIP:$1", tls: {certificate: $W/pki/registry.test.pem, key: $W/pki/registry.test.key}}
$2
Y
}
reg_conf 5000 "" >"$W/registry-5000.yml"
reg_conf 5001 "auth: {token: {realm: \"https://auth.test:5002/token\", service: registry.test, issuer: e2e-issuer, rootcertbundle: $W/pki/token-sign.crt}}" >"$W/registry-5001.yml"
spawn registry-5000 docker-registry serve "$W/registry-5000.yml"
spawn registry-5001 docker-registry serve "$W/registry-5001.yml"
spawn tokenauth "$PY" "$HERE/tokenauth.py" "$NSIP" 5002 "$W/pki/auth.test.pem" "$W/pki/auth.test.key" \
  "$W/pki/token-sign.crt" "$W/pki/token-sign.key" "$W/pki/token-other.crt" "$W/pki/token-other.key" e2e-issuer "$W/log/token-requests.log"

# engine
mkdir -p "$W/docker-root"
SOCK=$W/d.sock
spawn dockerd dockerd --data-root "$W/docker-root" --exec-root "$W/docker-exec" -H "unix://$SOCK" --pidfile "$W/dockerd.pid" \
  --iptables=false --ip-masq=false --bridge=none --storage-driver=vfs
tls_up $REG /v2/ || bail "the registry did not come up"
tls_up $AREG /v2/ || bail "the token-auth registry did not come up"
tls_up auth.test:5002 /token || bail "the token service did not come up"
for _ in $(seq 1 300); do curl -s --unix-socket "$SOCK" http://d/_ping >/dev/null && break; sleep 0.1; done
curl -s --unix-socket "$SOCK" http://d/_ping >/dev/null || { tail -5 "$W/log/dockerd.log" | sed 's/^/# /'; bail "dockerd did not come up"; }

. "$HERE/lib.sh"
. "$HERE/scenarios.sh"
if [ -n "${BULLA_CLI:-}" ]; then
  for part in bulla shared crowd pipeline signers thresholds keys repo renewal plugin policy; do . "$HERE/scenarios-$part.sh"; done
fi
if [ -n "${E2E_STORY:-}" ]; then . "$E2E_STORY"; prepare; ( set -u; story ); else run_all "${ONLY[@]}"; fi
RC=$?
exit "$RC"
