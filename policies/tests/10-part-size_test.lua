-- Rows for ../10-part-size.lua; README.md of ../ says what a row is.
local MiB = 1024 * 1024
local GiB = 1024 * MiB
local TiB = 1024 * GiB
local reason = 'size / 5000, at least 16 MiB'

return {
  hook = 'part_size',
  { name = 'an empty file', facts = { size_bytes = 0 }, expect = { bytes = 16 * MiB }, reason = reason },
  { name = '20 GiB stay at 16 MiB', facts = { size_bytes = 20 * GiB }, expect = { bytes = 16 * MiB }, reason = reason },
  { name = '5,000 parts of 16 MiB', facts = { size_bytes = 80000 * MiB }, expect = { bytes = 16 * MiB },
    reason = reason },
  { name = '5,000 bytes more: a MiB more', facts = { size_bytes = 80000 * MiB + 5000 },
    expect = { bytes = 17 * MiB }, reason = reason },
  { name = '1 TiB: whole MiB, rounded up', facts = { size_bytes = TiB }, expect = { bytes = 210 * MiB },
    reason = reason },
  { name = 'the largest object of S3, 10,000 parts of 5 GiB', facts = { size_bytes = 50000 * GiB },
    expect = { bytes = 5 * GiB }, reason = reason },
  { name = 'a stream: no opinion', facts = { sent_bytes = 0 } },
  { name = 'a long stream: no opinion', facts = { sent_bytes = 100 * GiB } },
}
