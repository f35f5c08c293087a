#!/bin/bash
# Installs the peers that the acceptance harness, the pairings and the
# benchmark meet: docker, a registry, notary and its servers, PostgreSQL, MariaDB,
# tools.
#
#   tests/install-peers.sh           install what is missing (root, Debian 12)
#   tests/install-peers.sh --check   only say what is missing
#   tests/install-peers.sh PACKAGE...   the same with further packages that few runs need
#
# Exit status: 0 everything is there, 1 the installation failed, 3 something is
# missing and this script may not install it (not root, or not Debian 12).
# No service is started by the installation, and none is left running.
set -u

PACKAGES=(docker.io docker-registry notary skopeo containerd openssl jq bc curl
  iproute2 util-linux python3 python3-jwt python3-cryptography postgresql mariadb-server sqlite3 libfaketime wrk strace gdb
  softhsm2 opensc haproxy socat prometheus nginx-light)

only_look=no
case ${1:-} in --check) only_look=yes ;; *) PACKAGES+=("$@") ;; esac

# The programs count, not the packages: another system may have them from elsewhere.
# A docker outside /usr/bin may be any version, so Debian's own is asked for by path.
missing_packages() {
  local package program
  for package in "${PACKAGES[@]}"; do
    case $package in
      docker.io) program=/usr/bin/docker; command -v dockerd >/dev/null || program=dockerd ;;
      docker-registry) program=docker-registry ;;
      notary) program=notary; command -v notary-server >/dev/null && command -v notary-signer >/dev/null || program=notary-server ;;
      iproute2) program=ip ;;
      util-linux) program=unshare ;;
      python3) program=/usr/bin/python3 ;;
      python3-jwt) /usr/bin/python3 -c 'import jwt' 2>/dev/null || echo "$package"; continue ;;
      python3-cryptography) /usr/bin/python3 -c 'import cryptography' 2>/dev/null || echo "$package"; continue ;;
      python3-venv) /usr/bin/python3 -c 'import venv, ensurepip' 2>/dev/null || echo "$package"; continue ;;
      python3-selenium) /usr/bin/python3 -c 'import selenium' 2>/dev/null || echo "$package"; continue ;;
      golang-go) program=go ;;
      systemd-container) program=systemd-nspawn ;;
      chromium-driver) program=chromedriver ;;
      postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && command -v psql >/dev/null || echo "$package"; continue ;;
      mariadb-server) program=mariadbd; command -v mariadb-install-db >/dev/null || program=mariadb-install-db ;;
      prometheus) program=prometheus; command -v promtool >/dev/null || program=promtool ;;
      softhsm2) program=softhsm2-util ;;
      opensc) program=pkcs11-tool ;;
      nginx-light) program=/usr/sbin/nginx ;;
      libfaketime) compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || echo "$package"; continue ;;
      *) program=$package ;;
    esac
    command -v "$program" >/dev/null || echo "$package"
  done
}

mapfile -t missing < <(missing_packages)
if [ ${#missing[@]} = 0 ]; then
  echo "peers: all there"
  exit 0
fi
echo "peers: missing ${missing[*]}"
[ $only_look = no ] || exit 3

release=$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}")
if [ "$(id -u)" != 0 ] || [ "$release" != "debian 12" ]; then
  echo "peers: not root on Debian 12, so nothing is installed; there it would be: apt-get install ${missing[*]}"
  exit 3
fi

policy=/usr/sbin/policy-rc.d
kept=
restore_policy() {
  if [ -n "$kept" ]; then mv -f "$kept" "$policy"; else rm -f "$policy"; fi
}
if [ -e "$policy" ]; then kept=$(mktemp "$policy.kept.XXXXXX") && mv -f "$policy" "$kept"; fi
trap restore_policy EXIT
trap 'exit 1' INT TERM
printf '#!/bin/sh\n# the tests start what they need themselves\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get update -q || { echo "peers: apt-get update failed"; exit 1; }
apt-get install -q -y --no-install-recommends "${missing[@]}" || { echo "peers: apt-get install failed"; exit 1; }

mapfile -t missing < <(missing_packages)
if [ ${#missing[@]} != 0 ]; then
  echo "peers: still missing after the installation: ${missing[*]}"
  exit 1
fi
echo "peers: installed"
