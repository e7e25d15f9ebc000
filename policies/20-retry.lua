-- 20-retry: a multi-hour transfer outlives an outage of some minutes, a wrong password does not wait.
-- Decides: retry     Facts: failure.class, elapsed_ms, part_number     No answer: never
-- Override: put your own 20-retry.lua into /etc/purser/policies.d; the same name masks this one.
local PART_LIMIT_MS = 10 * 60 * 1000
local OTHER_LIMIT_MS = 30 * 1000

local function retry(failure)
  if failure.class == 'never' then
    return { give_up = true, reason = 'another attempt would fail too' }
  end
  local limit_ms = failure.part_number and PART_LIMIT_MS or OTHER_LIMIT_MS
  if failure.elapsed_ms > limit_ms then
    return { give_up = true, reason = 'no success for ' .. limit_ms // 1000 .. ' s' }
  end
  -- How long to wait stays with purser: full jitter, the shared quota and Retry-After.
  return { give_up = false, reason = failure.class .. ' trouble' }
end

return { api = 1, name = 'retry', retry = retry }
