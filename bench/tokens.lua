-- For wrk: requests that carry the tokens of a file, a token a line, in turn.
--
--   wrk ... -s tokens.lua URL -- FILE again|once
--
-- With "once" it stops when each token was sent.

local requests, sent, once = {}, 0, false

function init(args)
    for token in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("GET", nil,
            {Host = wrk.headers["Host"], Authorization = "Bearer " .. token})
    end
    once = args[2] == "once"
end

function request()
    sent = sent + 1
    if once and sent >= #requests then
        wrk.thread:stop()
    end
    return requests[(sent - 1) % #requests + 1]
end
