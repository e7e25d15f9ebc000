-- Rows for ../15-upload.lua; README.md of ../ says what a row is.
local MiB = 1024 * 1024
local GiB = 1024 * MiB
local few = 'below 1 GiB: 4 parts at once'
local many = '1 GiB or more: 6 parts at once'

return {
  hook = 'upload',
  { name = 'an empty file', facts = { size_bytes = 0 }, expect = { threshold = 16 * MiB, concurrency = 4 },
    reason = few },
  { name = 'a byte below 1 GiB', facts = { size_bytes = GiB - 1 },
    expect = { threshold = 16 * MiB, concurrency = 4 }, reason = few },
  { name = '1 GiB', facts = { size_bytes = GiB }, expect = { threshold = 16 * MiB, concurrency = 6 }, reason = many },
  { name = 'a stream: no opinion', facts = { sent_bytes = 5 * GiB } },
}
