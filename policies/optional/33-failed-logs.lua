-- 33-failed-logs: logs of failed runs stay for 30 days, whatever becomes of their other artifacts.
-- Decides: reclaim     Facts: artifact.key, event, workflow.status     No answer: no log, or a run that did not fail
-- Override: copy it into /etc/purser/policies.d and change DAYS or LOGS.
local DAYS = '30d'
local LOGS = '**.log'

local function reclaim(artifact, workflow)
  if not workflow or artifact.event == 'age' or artifact.event == 'cleared' or not purser.glob(LOGS, artifact.key) then
    return nil
  end
  if workflow.status ~= 'Failed' and workflow.status ~= 'Error' then
    return nil
  end
  return { action = 'delete', after = DAYS, reason = 'log of a failed run, kept for ' .. DAYS }
end

return { api = 1, name = 'failed-logs', reclaim = reclaim }
