# What the benchmarks write into docs/performance.md, and the pictures of it.  Sourced.

version_of() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo unknown; }

# machine STARTED: when and on what the figures were taken
machine() {
  echo "Taken $1 on $(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)), $(awk '/MemTotal/ {printf "%.0f GiB", $2/1048576}' /proc/meminfo), $(. /etc/os-release; echo "$PRETTY_NAME"), Linux $(uname -r);"
}

# commit: which Bulla was measured.  BENCH_COMMIT names it where the programs are not of this tree
commit() { [ -z "${BENCH_COMMIT:-}" ] || { echo "$BENCH_COMMIT"; return; }; git -C "$REPOSITORY" describe --always --dirty 2>/dev/null || echo unknown; }

# write_page PART REPORT: the report between the marks of PART; the page keeps its words.  BENCH_WRITE=no leaves the page alone
write_page() {
  local page=$REPOSITORY/docs/performance.md
  [ "${BENCH_WRITE:-yes}" = yes ] && grep -q "^<!-- $1:begin -->\$" "$page" || return 0
  ! grep -q '| median | max |' "$2" ||
    printf '\n![lowest, median and highest of each row of these tables](performance-%s.svg)\n' "$1" >>"$2"
  awk -v part="$1" -v report="$2" '
    $0 == "<!-- " part ":begin -->" { print; print ""; while ((getline line < report) > 0) print line; print ""; skipping = 1; next }
    $0 == "<!-- " part ":end -->" { skipping = 0 }
    !skipping
  ' "$page" >"$2.page"
  cat "$2.page" >"$page"
  echo "written to docs/performance.md"
  "$REPOSITORY/bench/plot.py" "$page" "$1"
}
