# What a run against real clients and servers needs before it starts.  Sourced;
# says in TAP what is missing, and never skips in silence.

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BULLA_BIN_DIR=${BULLA_BIN_DIR:-$REPOSITORY/target/debug}
export BULLA_BIN_DIR

# skip_all REASON: ends the run.  On a build machine nothing may be skipped.
skip_all() {
  echo "1..0 # SKIP $*"
  if [ "${CI:-}" = true ]; then
    echo "# CI=true: a skipped run is a failed run"
    exit 1
  fi
  exit 0
}

# require_peers PACKAGE...: installs what is missing where that is allowed, with packages that few runs need.
require_peers() {
  local said status=0
  said=$("$REPOSITORY/tests/install-peers.sh" "$@" 2>&1) || status=$?
  case $status in
    0) grep '^peers:' <<<"$said" | sed 's/^/# /' ;;
    3) skip_all "$(tail -1 <<<"$said")" ;;
    *)
      tail -20 <<<"$said" | sed 's/^/# /'
      skip_all "$(tail -1 <<<"$said")"
      ;;
  esac
  [ "$(id -u)" = 0 ] || skip_all "needs root (namespaces, dockerd, databases as their own users)"
}

# require_bulla BINARY...: they must have been built; not building is not skipping.
require_bulla() {
  local binary
  for binary in "$@"; do
    [ -x "$BULLA_BIN_DIR/$binary" ] || { echo "Bail out! $BULLA_BIN_DIR/$binary is missing: cargo build first, or set BULLA_BIN_DIR"; exit 1; }
  done
}

# peer_versions: one comment line for each program met.
peer_versions() {
  local package
  for package in docker.io containerd docker-registry nginx-light notary skopeo postgresql-15 mariadb-server openssl; do
    printf '# %s %s\n' "$package" "$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null || echo '(not from a Debian package)')"
  done
}
