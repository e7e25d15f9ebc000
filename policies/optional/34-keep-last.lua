-- 34-keep-last: the newest runs of every workflow template are kept, older ones go.
-- Decides: reclaim     Facts: workflow.template, newer, finished     No answer: no template, runs, Never, cleared
-- Override: copy it into /etc/purser/policies.d and change KEEP, to at most 100.
local KEEP = 5

local function reclaim(artifact, workflow)
  if not workflow or workflow.template == '' or not workflow.finished or artifact.strategy == 'Never'
    or artifact.event == 'cleared' then
    return nil
  end
  if workflow.newer < KEEP then
    return { action = 'keep', reason = 'one of the last ' .. KEEP .. ' runs of its template' }
  end
  return { action = 'delete', reason = KEEP .. ' newer runs of its template have finished' }
end

return { api = 1, name = 'keep-last', reclaim = reclaim }
