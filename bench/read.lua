-- wrk script: GET of each path of a list in turn.
-- From the environment: BENCH_PATHS (a file, a path a line), BENCH_CLOSE=yes (each on a connection of its own).
-- Ends with one line: requests a second, errors, then latencies in milliseconds.
local requests = {}
local next_request = 0

function init()
  local headers = { Host = wrk.headers.Host }
  if os.getenv("BENCH_CLOSE") == "yes" then
    headers["Connection"] = "close"
  end
  for path in io.lines(os.getenv("BENCH_PATHS")) do
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %.1f %d %.2f %.2f %.2f %.2f\n",
    summary.requests / (summary.duration / 1e6),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency.min / 1e3, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
