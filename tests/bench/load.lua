-- Requests at a steady rate and at random times, as independent people send them: GETs of LOAD_PATH, or without it POSTs of simulations that differ. For wrk,
-- driven by load.py, which sets LOAD_RATE (of this wrk's threads together), LOAD_CONNECTIONS and LOAD_FIRST (a seed).
local threads = {}
function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

local body = '{"name":"load","potential":"mendelev-2009-cuzr","seed":%d,"precision":"fast","initial":{"type":"lattice","structure":"fcc",' ..
  '"cells":[16,16,16],"composition":{"Cu":0.5,"Zr":0.5}},"stages":[{"type":"hold","ensemble":"nvt","temperature_k":1000,"duration_ps":10}]}'
local path = os.getenv("LOAD_PATH")
local wanted = path and 200 or 202
local seed, pause
function init(arguments)
  seed = tonumber(os.getenv("LOAD_FIRST")) + 1000000 * number
  pause = 1000 * tonumber(os.getenv("LOAD_CONNECTIONS")) / tonumber(os.getenv("LOAD_RATE"))
  math.randomseed(seed)
end
function delay() return 2 * pause * math.random() end
function request()
  if path then return wrk.format("GET", path) end
  seed = seed + 1
  return wrk.format("POST", "/v1/simulations", {["Content-Type"] = "application/json"}, string.format(body, seed))
end
other = 0
function response(status) if status ~= wanted then other = other + 1 end end
function done(summary, latency)
  local failed = 0
  for _, thread in ipairs(threads) do failed = failed + thread:get("other") end
  io.write(string.format('JSON {"requests": %d, "seconds": %.3f, "p50_ms": %.3f, "p99_ms": %.3f, "worst_ms": %.3f, "other": %d, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3, failed,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
