-- Rows for ../33-failed-logs.lua; README.md of policies/ says what a row is.
return {
  hook = 'reclaim',
  { name = 'a log of a failed run', facts = { event = 'completed', key = 'argo/wf/main.log' },
    workflow = { status = 'Failed' }, expect = { action = 'delete', after = 30 * 86400 },
    reason = 'log of a failed run, kept for 30d' },
  { name = 'the same when it is deleted', facts = { event = 'deleted', key = 'main.log' },
    workflow = { status = 'Error' },
    expect = { action = 'delete', after = 30 * 86400 }, reason = 'log of a failed run, kept for 30d' },
  { name = 'no log', facts = { event = 'completed', key = 'argo/wf/log.tar' }, workflow = { status = 'Failed' } },
  { name = 'a log of a good run', facts = { event = 'completed', key = 'main.log' },
    workflow = { status = 'Succeeded' } },
  { name = 'of no workflow', facts = { event = 'age', key = 'main.log' } },
}
