-- wrk script: GET timestamp.json of each repository in turn, by name.
-- From the environment: BENCH_REPOSITORIES (how many there are).
-- Ends with one line: requests a second, errors, then latencies in milliseconds.
local repositories = tonumber(os.getenv("BENCH_REPOSITORIES"))
local requests = {}
local next_request = 0

function init()
  local headers = { Host = wrk.headers.Host }
  for i = 0, repositories - 1 do
    local path = string.format("/v2/bench.test/repo-%03d/_trust/tuf/timestamp.json", i)
    requests[i] = wrk.format("GET", path, headers)
  end
end

function request()
  next_request = (next_request + 1) % repositories
  return requests[next_request]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %.1f %d %.2f %.2f %.2f %.2f\n",
    summary.requests / (summary.duration / 1e6),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency.min / 1e3, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
