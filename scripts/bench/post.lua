-- wrk -s post.lua URL -- body-file ["Header: value" …]
function init(args)
  local f = assert(io.open(args[1], "rb")); body = f:read("*a"); f:close()
  wrk.method = "POST"; wrk.body = body; wrk.headers["Content-Type"] = "application/json"
  for i = 2, #args do
    local name, value = args[i]:match("^(.-):%s*(.*)$"); wrk.headers[name] = value
  end
end
function done(s, l, r)
  io.write(string.format('JSON {"requests":%d,"seconds":%.3f,"rps":%.1f,"p50_ms":%.2f,"p99_ms":%.2f,"max_ms":%.2f,"non2xx":%d,"sockerr":%d,"timeouts":%d}\n',
    s.requests, s.duration/1e6, s.requests/(s.duration/1e6), l:percentile(50)/1e3, l:percentile(99)/1e3, l.max/1e3,
    s.errors.status, s.errors.connect+s.errors.read+s.errors.write, s.errors.timeout))
end
