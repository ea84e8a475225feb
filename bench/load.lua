-- wrk's part of bench/load.py: sends the requests of a folder in turn and prints what came of it as JSON.

local requests, sent = {}, 0

local function lines(path)
  local found = {}
  for line in io.lines(path) do found[#found + 1] = line end
  return found
end

function init(arguments)
  local folder = arguments[1]
  local headers = {}
  for _, line in ipairs(lines(folder .. "/headers.tsv")) do
    local name, value = line:match("^([^\t]*)\t(.*)$")
    headers[name] = value
  end
  for _, line in ipairs(lines(folder .. "/requests.tsv")) do
    local path, body = line:match("^([^\t]*)\t(.*)$")
    if body == "" then
      requests[#requests + 1] = wrk.format("GET", path, headers)
    else
      requests[#requests + 1] = wrk.format("POST", path, headers, body)
    end
  end
end

function request()
  sent = sent % #requests + 1
  return requests[sent]
end

function done(summary, latency, _)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "failures": %d, "median_ms": %.4f, "p99_ms": %.4f}\n',
    summary.requests, summary.duration / 1e6, failed,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
