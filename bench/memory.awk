#!/usr/bin/awk -f
# Makes a table from lines of: memory SERVER NOW MOST, in MiB; medians of the rounds.
{
  if (!($2 in count)) server[++servers] = $2
  count[$2]++
  now[$2, count[$2]] = $3
  most[$2, count[$2]] = $4
}
function median(values, key, n,   i, j, swap, list) {
  for (i = 1; i <= n; i++) list[i] = values[key, i] + 0
  for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (list[j] < list[i]) { swap = list[i]; list[i] = list[j]; list[j] = swap }
  return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
END {
  print "| server | after | most |"
  print "|---|---:|---:|"
  for (s = 1; s <= servers; s++) printf "| %s | %.0f | %.0f |\n", server[s], median(now, server[s], count[server[s]]), median(most, server[s], count[server[s]])
}
