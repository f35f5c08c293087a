#!/bin/bash
# Builds the images bulla-server, bulla-signer and bulla with docker, without
# any network: what is in them is on this machine already.
#
#   packaging/docker/build.sh [OPTIONS OF docker build ...]
#
#   BULLA_STATIC_DIR   where the static programs are (default: target/release-static)
#   BULLA_VERSION      the tag of the images (default: of Cargo.toml)
#   DOCKER_HOST        which docker
#
# The authorities that clients trust are those of this machine
# (/etc/ssl/certs/ca-certificates.crt).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(realpath "$here/../..")
programs=$(realpath "${BULLA_STATIC_DIR:-$repository/target/release-static}")
version=${BULLA_VERSION:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml")}
context=$(mktemp -d "${TMPDIR:-/tmp}/bulla-images.XXXXXX")
trap 'rm -rf "$context"' EXIT
umask 022

mkdir -p "$context"/{programs,data} "$context"/common/{etc/ssl/certs,tmp}
chmod 1777 "$context/common/tmp"
chmod 700 "$context/data"
for name in bulla-server bulla-signer bulla; do
  # no interpreter: nothing is loaded at its start
  ! readelf -l "$programs/$name" 2>/dev/null | grep -q INTERP || { echo "$programs/$name is not a static program: make release" >&2; exit 1; }
  install -m 755 "$programs/$name" "$context/programs/$name"
done
install -m 644 /etc/ssl/certs/ca-certificates.crt "$context/common/etc/ssl/certs/ca-certificates.crt"
echo 'bulla:x:10001:10001:Bulla:/var/lib:/nonexistent' >"$context/common/etc/passwd"
echo 'bulla:x:10001:' >"$context/common/etc/group"
# a static program looks for hosts where this says
echo 'hosts: files dns' >"$context/common/etc/nsswitch.conf"

for target in server signer client; do
  image=bulla-$target
  [ $target != client ] || image=bulla
  DOCKER_BUILDKIT=0 docker build --quiet --network none --file "$here/Dockerfile" --target "$target" --tag "$image:$version" "$@" "$context"
done
