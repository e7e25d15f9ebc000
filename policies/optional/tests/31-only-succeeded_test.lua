-- Rows for ../31-only-succeeded.lua; README.md of policies/ says what a row is.
local kept = 'kept: the workflow did not succeed'
local gone = 'the workflow succeeded'

return {
  hook = 'reclaim',
  { name = 'a run that succeeded', facts = { event = 'completed', strategy = 'OnWorkflowCompletion' },
    workflow = { status = 'Succeeded' }, expect = { action = 'delete' }, reason = gone },
  { name = 'one that failed', facts = { event = 'completed', strategy = 'OnWorkflowCompletion' },
    workflow = { status = 'Failed' }, expect = { action = 'keep' }, reason = kept },
  { name = 'in error', facts = { event = 'completed' }, workflow = { status = 'Error' }, expect = { action = 'keep' },
    reason = kept },
  { name = 'of unknown status', facts = { event = 'deleted' }, workflow = {}, expect = { action = 'keep' },
    reason = kept },
  { name = 'waits for the deletion', facts = { event = 'completed', strategy = 'OnWorkflowDeletion' },
    workflow = { status = 'Succeeded' } },
  { name = 'until it comes', facts = { event = 'deleted', strategy = 'OnWorkflowDeletion' },
    workflow = { status = 'Succeeded' }, expect = { action = 'delete' }, reason = gone },
  { name = 'Never stays the strategy', facts = { event = 'completed', strategy = 'Never' },
    workflow = { status = 'Succeeded' } },
  { name = 'no workflow', facts = { event = 'age' } },
  { name = 'a manual clear', facts = { event = 'cleared' }, workflow = { status = 'Failed' } },
}
