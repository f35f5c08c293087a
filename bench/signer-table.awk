#!/usr/bin/awk -f
# Makes the signer's table of docs/performance.md from lines of
# SIGNER ALGORITHM PER_SECOND ERRORS MIN MEDIAN P99 MAX SIGNER_CPU POSTGRES_CPU CLIENT_CPU
# and of "ring ALGORITHM PER_SECOND" (latencies in milliseconds, processor time
# in microseconds a call): medians of all rounds, with the lowest and highest rate.
{
  key = $1 SUBSEP $2
  count[key]++
  for (column = 3; column <= NF; column++) value[key, column, count[key]] = $column
  errors[key] += $1 == "ring" ? 0 : $4
  if (!($2 in seen)) { seen[$2] = 1; algorithm[++algorithms] = $2 }
}
function sorted(key, column,   i, j, n, swap) {
  n = count[key]
  for (i = 1; i <= n; i++) list[i] = value[key, column, i] + 0
  for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (list[j] < list[i]) { swap = list[i]; list[i] = list[j]; list[j] = swap }
  return n
}
function median(key, column,   n) {
  n = sorted(key, column)
  return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
END {
  print "| keys | | signatures a second: min | median | max | latency, median (ms) | p99 (ms) | errors | signer, µs a call | PostgreSQL, µs a call | client, µs a call |"
  print "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
  signers = split("reference bulla bulla-relaxed bulla-unchained", order, " ")
  for (a = 1; a <= algorithms; a++) {
    for (s = 1; s <= signers; s++) {
      key = order[s] SUBSEP algorithm[a]
      if (!count[key]) continue
      rate = median(key, 3); n = count[key]; low = list[1]; high = list[n]
      printf "| %s | %s | %.0f | %.0f | %.0f | %.2f | %.2f | %d | %.0f | %.1f | %.0f |\n", algorithm[a], order[s], low, rate, high,
        median(key, 6), median(key, 7), errors[key], median(key, 9), median(key, 10), median(key, 11)
    }
    ring = "ring" SUBSEP algorithm[a]
    if (count[ring]) {
      alone = median(ring, 3); n = count[ring]; low = list[1]; high = list[n]
      printf "| %s | `ring` alone, one core | %.0f | %.0f | %.0f | | | | %.0f | | |\n", algorithm[a], low, alone, high, 1000000 / alone
    }
  }
  print ""
  for (a = 1; a <= algorithms; a++) {
    ours = "bulla" SUBSEP algorithm[a]; theirs = "reference" SUBSEP algorithm[a]; ring = "ring" SUBSEP algorithm[a]
    if (!count[ours]) continue
    if (count[theirs]) {
      printf "%s: **%.1f** times the reference’s rate; the signer and PostgreSQL together take one **%.1f**th of the processor time. ", algorithm[a],
        median(ours, 3) / median(theirs, 3), (median(theirs, 9) + median(theirs, 10)) / (median(ours, 9) + median(ours, 10))
    }
    if (count[ring]) printf "One **%.1f**th of what `ring` alone signs on one core.", median(ring, 3) / median(ours, 3)
    print ""
  }
}
