-- 32-only-failed: what a failed run left is of no use; what a good one made stays.
-- Decides: reclaim     Facts: workflow.status, artifact.event, strategy     No answer: no workflow, Never, age, cleared
-- Override: copy it into /etc/purser/policies.d; without it the strategy alone decides.
local function reclaim(artifact, workflow)
  if not workflow or artifact.strategy == 'Never' or artifact.event == 'age' or artifact.event == 'cleared' then
    return nil
  end
  if workflow.status == 'Failed' or workflow.status == 'Error' then
    return { action = 'delete', reason = 'intermediate result of a failed run' }
  end
  return { action = 'keep', reason = 'kept: the workflow did not fail' }
end

return { api = 1, name = 'only-failed', reclaim = reclaim }
