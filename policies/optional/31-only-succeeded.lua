-- 31-only-succeeded: what a run made goes when the run succeeded; of the others it stays for whoever looks into them.
-- Decides: reclaim     Facts: workflow.status, artifact.event, strategy     No answer: no workflow, Never, age, cleared
-- Override: copy it into /etc/purser/policies.d; without it the strategy alone decides.
local function reclaim(artifact, workflow)
  if not workflow or artifact.strategy == 'Never' or artifact.event == 'age' or artifact.event == 'cleared' then
    return nil
  end
  if workflow.status ~= 'Succeeded' then
    return { action = 'keep', reason = 'kept: the workflow did not succeed' }
  end
  if artifact.event == 'completed' and artifact.strategy == 'OnWorkflowDeletion' then
    return nil
  end
  return { action = 'delete', reason = 'the workflow succeeded' }
end

return { api = 1, name = 'only-succeeded', reclaim = reclaim }
