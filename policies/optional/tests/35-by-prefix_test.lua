-- Rows for ../35-by-prefix.lua; README.md of policies/ says what a row is.
return {
  hook = 'reclaim',
  { name = 'below tmp', facts = { event = 'age', key = 'tmp/a/b' }, expect = { action = 'delete', after = 7 * 86400 },
    reason = '**tmp/** goes after 7d' },
  { name = 'a directory called tmp', facts = { event = 'age', key = 'argo/tmp/x' },
    expect = { action = 'delete', after = 7 * 86400 }, reason = '**tmp/** goes after 7d' },
  { name = 'below cache', facts = { event = 'age', key = 'cache/x' },
    expect = { action = 'delete', after = 90 * 86400 },
    reason = '**cache/** goes after 90d' },
  { name = 'a file called tmp', facts = { event = 'age', key = 'argo/tmp' } },
  { name = 'an event is no age', facts = { event = 'completed', key = 'tmp/a' }, workflow = { status = 'Succeeded' } },
}
