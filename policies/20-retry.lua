-- 20-retry: a multi-hour transfer outlives an outage of some minutes, a wrong password does not wait.
-- Decides: retry     Facts: failure.class, failure.elapsed_ms     No answer: never
-- Override: put your own 20-retry.lua into /etc/purser/policies.d; the same name masks this one.
local LIMIT_MS = 10 * 60 * 1000

local function retry(failure)
  if failure.class == 'never' then
    return { give_up = true, reason = 'another attempt would fail too' }
  end
  if failure.elapsed_ms > LIMIT_MS then
    return { give_up = true, reason = 'no success for 10 minutes' }
  end
  -- How long to wait stays with purser: full jitter, the shared quota and Retry-After.
  return { give_up = false, reason = failure.class .. ' trouble' }
end

return { api = 1, name = 'retry', retry = retry }
