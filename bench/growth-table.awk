#!/usr/bin/awk -f
# Makes the table of growth.sh from lines of KIND SERVER ROWS MICROSECONDS STATEMENTS:
# lowest, median and highest of all rounds.
{
  key = $1 SUBSEP $2 SUBSEP $3
  if (!(key in count)) order[++keys] = key
  cost[key, ++count[key]] = $4
  sent[key, count[key]] = $5
}
function sorted(values, key, n,   i, j, swap) {
  for (i = 1; i <= n; i++) list[i] = values[key, i] + 0
  for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (list[j] < list[i]) { swap = list[i]; list[i] = list[j]; list[j] = swap }
  return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
END {
  title["reading"] = "timestamp by name"
  title["hashing"] = "targets by hash"
  title["pulling"] = "whole pull check, four requests"
  title["publishing"] = "publish, 10 tags"
  print "| request | rows or replicas | processor time of server and database, µs a request: min | median | max | statements a request |"
  print "|---|---|---:|---:|---:|---:|"
  kinds = split("reading hashing pulling publishing", kind, " ")
  for (k = 1; k <= kinds; k++) for (o = 1; o <= keys; o++) {
    split(order[o], part, SUBSEP)
    if (part[1] != kind[k]) continue
    n = count[order[o]]
    label = part[3]
    sub(/-/, " ", label)
    if (label !~ /replicas/) label = label " rows"
    sending = part[2] ~ /sqlite/ ? "–" : sprintf("%.2f", sorted(sent, order[o], n))
    middle = sorted(cost, order[o], n)
    printf "| %s, %s | %s | %.0f | %.0f | %.0f | %s |\n", title[kind[k]], part[2], label, list[1], middle, list[n], sending
  }
}
