#!/bin/bash
# Says in one line what is missing to build, before cargo says it in fifty.
set -u
need=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../../Cargo.toml")
stop() { echo "make: $*" >&2; exit 1; }

for program in cargo rustc gcc make; do
  command -v "$program" >/dev/null || missing="${missing:-}${missing:+, }$program"
done
advice="install a current stable Rust with rustup, the Rust project's installer (Debian's own package is too old)"
case ${missing:-} in
  '') ;;
  *cargo* | *rustc*) stop "missing: $missing; $advice" ;;
  *) stop "missing: $missing; on Debian: apt-get install gcc libc6-dev make" ;;
esac
echo 'int main(void) { return 0; }' | gcc -x c -o /dev/null - 2>/dev/null || stop "gcc cannot link a program; on Debian: apt-get install libc6-dev"
have=$(rustc --version | sed 's/^rustc \([0-9.]*\).*/\1/')
printf '%s\n%s\n' "$need" "$have" | sort -V -C || stop "Rust $need or newer is needed and this is $have; $advice"
