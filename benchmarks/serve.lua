-- Sentences of a file as requests to a server with LibreTranslate's interface, for wrk, a client that
-- costs little beside the server:
--     SRC=demo/test.ko wrk -t1 -c32 -d6s --latency -s benchmarks/serve.lua http://127.0.0.1:5000/translate
local bodies = {}
for line in io.lines(os.getenv("SRC")) do
    local text = line:gsub("\\", "\\\\"):gsub('"', '\\"')
    table.insert(bodies, '{"q": "' .. text .. '", "source": "ko", "target": "en"}')
end
local n_sent = 0

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

request = function()
    n_sent = n_sent + 1
    return wrk.format(nil, nil, nil, bodies[n_sent % #bodies + 1])
end
