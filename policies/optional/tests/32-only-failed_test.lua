-- Rows for ../32-only-failed.lua; README.md of policies/ says what a row is.
return {
  hook = 'reclaim',
  { name = 'a run that failed', facts = { event = 'completed' }, workflow = { status = 'Failed' },
    expect = { action = 'delete' }, reason = 'intermediate result of a failed run' },
  { name = 'in error', facts = { event = 'deleted' }, workflow = { status = 'Error' },
    expect = { action = 'delete' }, reason = 'intermediate result of a failed run' },
  { name = 'one that succeeded', facts = { event = 'completed', strategy = 'OnWorkflowCompletion' },
    workflow = { status = 'Succeeded' }, expect = { action = 'keep' }, reason = 'kept: the workflow did not fail' },
  { name = 'of unknown status', facts = { event = 'deleted' }, workflow = {},
    expect = { action = 'keep' }, reason = 'kept: the workflow did not fail' },
  { name = 'Never stays the strategy', facts = { event = 'completed', strategy = 'Never' },
    workflow = { status = 'Failed' } },
  { name = 'age is no reason', facts = { event = 'age' }, workflow = { status = 'Failed' } },
}
