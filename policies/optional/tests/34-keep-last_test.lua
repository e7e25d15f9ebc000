-- Rows for ../34-keep-last.lua; README.md of policies/ says what a row is.
local kept = 'one of the last 5 runs of its template'

return {
  hook = 'reclaim',
  { name = 'the newest', facts = { event = 'completed', strategy = 'OnWorkflowCompletion' },
    workflow = { template = 'train', finished = 100, newer = 0 }, expect = { action = 'keep' }, reason = kept },
  { name = 'the fifth', facts = { event = 'completed' }, workflow = { template = 'train', finished = 100, newer = 4 },
    expect = { action = 'keep' }, reason = kept },
  { name = 'the sixth', facts = { event = 'completed' }, workflow = { template = 'train', finished = 100, newer = 5 },
    expect = { action = 'delete' }, reason = '5 newer runs of its template have finished' },
  { name = 'a deleted one counts too', facts = { event = 'deleted' },
    workflow = { template = 'train', finished = 100, newer = 1 }, expect = { action = 'keep' }, reason = kept },
  { name = 'no template', facts = { event = 'completed' }, workflow = { finished = 100, newer = 9 } },
  { name = 'still running', facts = { event = 'age' }, workflow = { template = 'train', newer = 9 } },
  { name = 'Never', facts = { event = 'completed', strategy = 'Never' },
    workflow = { template = 'train', finished = 100, newer = 9 } },
}
