#!/bin/bash
# Makes the Debian packages bulla-server, bulla-signer and bulla from programs
# that are built already.  The same programs give the same packages, byte for byte.
#
#   packaging/debian/build.sh OUT
#
#   BULLA_BIN_DIR      where the programs are (default: the release build)
#   BULLA_VERSION      of the packages (default: of Cargo.toml)
#   BULLA_COMPRESSION  how hard xz works, 0 to 9 (default: 6)
#   SOURCE_DATE_EPOCH  of all files in them (default: of the newest commit)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(realpath "$here/../..")
[ $# = 1 ] || { sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
mkdir -p "$1"
out=$(realpath "$1")
bin=$(realpath "${BULLA_BIN_DIR:-$repository/target/release}")
version=${BULLA_VERSION:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml")}
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$repository" log -1 --format=%ct)}
architecture=$(dpkg --print-architecture)
work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-packages.XXXXXX")
trap 'rm -rf "$work"' EXIT
umask 022

# glibc PROGRAM: the newest version of glibc that a symbol of it asks for, nothing for a static one
glibc() { objdump -T "$1" 2>/dev/null | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1 | cut -d_ -f2; }

# package NAME: from packaging/debian/NAME and the program of that name
package() {
  local name=$1 root=$work/$1 needs
  local doc=$root/usr/share/doc/$name
  mkdir -p "$root/DEBIAN" "$root/usr/bin" "$doc"
  # debugging symbols stay with who built it
  strip --strip-unneeded -o "$root/usr/bin/$name" "$bin/$name"
  chmod 755 "$root/usr/bin/$name"
  needs=$(glibc "$root/usr/bin/$name")
  if [ -d "$here/$name/root" ]; then cp -R "$here/$name/root/." "$root/"; fi
  if [ -f "$repository/packaging/systemd/$name.service" ]; then
    install -D -m 644 "$repository/packaging/systemd/$name.service" "$root/usr/lib/systemd/system/$name.service"
    install -D -m 644 "$here/$name/example.json" "$doc/examples/${name#bulla-}.json"
    install -m 644 "$repository/docs/operations.md" "$doc/operations.md"
    maintainer_scripts "$name"
  fi
  install -m 644 "$here/copyright" "$doc/copyright"
  { echo "$name ($version) unstable; urgency=medium"; echo; echo "  * What changed is in changelog.gz."; echo
    echo " -- The Bulla developers <bulla@localhost>  $(date -u -R -d "@$epoch")"; } | gzip -9n >"$doc/changelog.Debian.gz"
  gzip -9nc "$repository/CHANGELOG.md" >"$doc/changelog.gz"
  "contents_of_${name//-/_}" "$root"
  if [ -d "$root/etc" ]; then (cd "$root" && find etc -type f -printf '/%p\n' | LC_ALL=C sort) >"$root/DEBIAN/conffiles"; fi
  sed "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/" "$here/$name/control" >"$root/DEBIAN/control"
  # nothing for a static program
  if [ -n "$needs" ]; then sed -i "s/^Depends: /&libc6 (>= $needs), libgcc-s1, /" "$root/DEBIAN/control"; fi
  sed -i "/^Architecture: /a Installed-Size: $(du -k -s --apparent-size "$root/usr" | cut -f1)" "$root/DEBIAN/control"
  (cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\n' | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
  find "$root" -exec touch --no-dereference --date="@$epoch" {} +
  SOURCE_DATE_EPOCH=$epoch dpkg-deb --root-owner-group -Zxz "-z${BULLA_COMPRESSION:-6}" --build "$root" "$out/${name}_${version}_$architecture.deb"
}

# maintainer_scripts NAME: those of a service, which are the same for both
maintainer_scripts() {
  local script
  for script in postinst prerm postrm; do
    sed "s/@NAME@/$1/g; s/@ROLE@/${1#bulla-}/g" "$here/service.$script" >"$work/$1/DEBIAN/$script"
    chmod 755 "$work/$1/DEBIAN/$script"
  done
}

contents_of_bulla_server() { :; }
contents_of_bulla_signer() { install -m 644 "$repository/packaging/systemd/pkcs11.conf" "$1/usr/share/doc/bulla-signer/examples/pkcs11.conf"; }
contents_of_bulla() {
  mkdir -p "$1/usr/share/man/man1"
  "$bin/bulla" man "$1/usr/share/man/man1" >/dev/null
  gzip -9n "$1/usr/share/man/man1/"*
  completions bash "$1/usr/share/bash-completion/completions/bulla"
  completions zsh "$1/usr/share/zsh/vendor-completions/_bulla"
  completions fish "$1/usr/share/fish/vendor_completions.d/bulla.fish"
}
completions() { mkdir -p "$(dirname "$2")" && "$bin/bulla" completions "$1" >"$2"; }

for name in bulla-server bulla-signer bulla; do package "$name"; done
