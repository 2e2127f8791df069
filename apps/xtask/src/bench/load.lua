-- What each thread of wrk sends, and what it reports in the end.
--
-- BENCH_METHOD GET: each line of BENCH_FILE is a path. POST: each line is a body for BENCH_PATH. The lines are taken in
-- turn, from a place of its own in each thread. BENCH_TOKEN proves who asks; where BENCH_KEY is set, each request has
-- an Idempotency-Key that no other has, and that begins with it.

local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function init()
    local method, token, key = os.getenv("BENCH_METHOD"), os.getenv("BENCH_TOKEN"), os.getenv("BENCH_KEY")
    local head = " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " .. token .. "\r\n"
    ready = {}
    for line in io.lines(os.getenv("BENCH_FILE")) do
        if method == "GET" then
            ready[#ready + 1] = "GET " .. line .. head .. "\r\n"
        else
            ready[#ready + 1] = "Content-Type: application/json\r\nContent-Length: " .. #line .. "\r\n\r\n" .. line
        end
    end
    if method == "POST" then
        start = "POST " .. os.getenv("BENCH_PATH") .. head
        if key then
            unique = "Idempotency-Key: " .. key .. "-" .. number .. "-"
        end
    end
    math.randomseed(number + 1)
    next_line = math.random(#ready)
    sent = 0
end

function request()
    next_line = next_line % #ready + 1
    if not start then
        return ready[next_line]
    end
    sent = sent + 1
    if unique then
        return start .. unique .. sent .. "\r\n" .. ready[next_line]
    end
    return start .. ready[next_line]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"micros":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,"p50":%d,"p95":%d,"p99":%d}\n',
        summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.status, errors.timeout,
        latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
