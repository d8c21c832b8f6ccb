-- Rows of iris in turn, so that no cache or branch predictor learns one of them.
local rows = {
  {5.1, 3.5, 1.4, 0.2}, {6.4, 3.2, 4.5, 1.5}, {6.3, 3.3, 6.0, 2.5}, {4.9, 3.0, 1.4, 0.2}, {5.5, 2.3, 4.0, 1.3},
  {5.8, 2.7, 5.1, 1.9}, {4.7, 3.2, 1.3, 0.2}, {6.5, 2.8, 4.6, 1.5}, {7.1, 3.0, 5.9, 2.1}, {5.0, 3.6, 1.4, 0.2},
  {5.7, 2.8, 4.5, 1.3}, {6.3, 2.9, 5.6, 1.8}, {5.4, 3.9, 1.7, 0.4}, {6.3, 3.3, 4.7, 1.6}, {7.6, 3.0, 6.6, 2.1},
}
local requests, at = {}, 0
local shape = os.getenv("BENCH_SHAPE") or "rows"
init = function(args)
  for i, r in ipairs(rows) do
    local body
    if shape == "rows" then
      body = string.format('{"sepal_length":%.1f,"sepal_width":%.1f,"petal_length":%.1f,"petal_width":%.1f}', r[1], r[2], r[3], r[4])
    else
      body = string.format('{"dataframe_split":{"columns":["sepal_length","sepal_width","petal_length","petal_width"],"data":[[%.1f,%.1f,%.1f,%.1f]]}}', r[1], r[2], r[3], r[4])
    end
    requests[i] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
