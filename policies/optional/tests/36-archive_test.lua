-- Rows for ../36-archive.lua; README.md of policies/ says what a row is.
local MiB = 1024 * 1024

return {
  hook = 'reclaim',
  { name = 'a big one in S3', facts = { event = 'age', url = 's3://b/k', size_bytes = 16 * MiB },
    expect = { action = 'archive', class = 'GLACIER_IR', after = 90 * 86400 }, reason = 'older than 90d' },
  { name = 'a big one in OSS', facts = { event = 'age', url = 'oss://b/k', size_bytes = 16 * MiB },
    expect = { action = 'archive', class = 'Archive', after = 90 * 86400 }, reason = 'older than 90d' },
  { name = 'a small one', facts = { event = 'age', url = 's3://b/k', size_bytes = 16 * MiB - 1 } },
  { name = 'of unknown size', facts = { event = 'age', url = 's3://b/k' } },
  { name = 'a local one', facts = { event = 'age', url = 'file:///b/k', size_bytes = 16 * MiB } },
  { name = 'there already', facts = { event = 'age', url = 's3://b/k', size_bytes = 16 * MiB,
    storage_class = 'GLACIER_IR' } },
  { name = 'another event', facts = { event = 'completed', url = 's3://b/k', size_bytes = 16 * MiB }, workflow = {} },
}
