#!/usr/bin/awk -f
# Makes the table of docs/performance.md from lines of
# SERVER MEASURE PER_SECOND ERRORS MIN MEDIAN P99 MAX LOAD
# (latencies in milliseconds): lowest, median and highest of all rounds, and the
# ratio of the medians to the reference's where it was measured.
{
  key = $1 SUBSEP $2
  count[key]++
  rate[key, count[key]] = $3
  middle[key, count[key]] = $6
  tail[key, count[key]] = $7
  errors[key] += $4
  if (!($1 in seen)) { seen[$1] = 1; server[++servers] = $1 }
}
function sorted(values, key, n,   i, j, swap) {
  for (i = 1; i <= n; i++) list[i] = values[key, i] + 0
  for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (list[j] < list[i]) { swap = list[i]; list[i] = list[j]; list[j] = swap }
}
function median(values, key, n) {
  sorted(values, key, n)
  return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
END {
  title["publish"] = "publishes a second"
  title["timestamp"] = "timestamp reads a second, kept TLS connections"
  title["targets"] = "targets reads a second by name, kept TLS connections"
  title["hash"] = "targets reads a second by hash, kept TLS connections"
  title["closed"] = "timestamp reads a second, new TLS connections (`wrk`)"
  title["new"] = "timestamp reads a second, new TLS connections (`bulla-bench`)"
  title["cold"] = "pull checks a second, empty cache, new TLS connections"
  title["warm"] = "pull checks a second, filled cache, new TLS connections"
  title["large"] = "publishes a second, 10,000 tags, 8 clients"
  title["middle"] = "publishes a second, 1,000 tags, 8 clients"
  title["many"] = "publishes a second, 100 tags, 64 clients"
  title["one"] = "publishes a second, 100 tags, 8 clients into one repository"
  title["keys"] = "new pairs of server keys a second, one client"
  title["first"] = "first publishes of new repositories a second, 8 clients"
  title["rotation"] = "rotations of the snapshot key a second, 8 clients"
  measures = split("publish timestamp targets hash closed new cold warm large middle many one keys first rotation", order, " ")
  print "| measure | server | min | median | max | latency, median (ms) | latency, p99 (ms) | errors | ratio of medians |"
  print "|---|---|---:|---:|---:|---:|---:|---:|---:|"
  for (m = 1; m <= measures; m++) for (s = 1; s <= servers; s++) {
    key = server[s] SUBSEP order[m]
    n = count[key]
    if (!n) continue
    base = "reference" SUBSEP order[m]
    ratio = "–"
    if (server[s] != "reference" && count[base]) ratio = sprintf("**%.1f**", median(rate, key, n) / median(rate, base, count[base]))
    latency = median(middle, key, n)
    worst = median(tail, key, n)
    mid = median(rate, key, n)
    printf "| %s | %s | %.0f | %.0f | %.0f | %.2f | %.2f | %d | %s |\n", title[order[m]], server[s], list[1], mid, list[n], latency, worst, errors[key], ratio
  }
}
