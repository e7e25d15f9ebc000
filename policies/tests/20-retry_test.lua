-- Rows for ../20-retry.lua; README.md of ../ says what a row is.
return {
  hook = 'retry',
  { name = 'a wrong password does not wait', facts = { operation = 'put_part', class = 'never', http_status = 403,
    attempt = 1, elapsed_ms = 0, part_number = 1 },
    expect = { give_up = true }, reason = 'another attempt would fail too' },
  { name = 'a part outlives ten minutes', facts = { operation = 'put_part', class = 'transient', http_status = 500,
    attempt = 30, elapsed_ms = 600000, part_number = 1 },
    expect = { give_up = false }, reason = 'transient trouble' },
  { name = 'but not more', facts = { operation = 'put_part', class = 'transient', http_status = 500,
    attempt = 30, elapsed_ms = 600001, part_number = 1 },
    expect = { give_up = true }, reason = 'no success for 600 s' },
  { name = 'a list has 30 s', facts = { operation = 'list', class = 'throttle', http_status = 503, attempt = 3,
    elapsed_ms = 30000 },
    expect = { give_up = false }, reason = 'throttle trouble' },
  { name = 'and not more', facts = { operation = 'list', class = 'throttle', http_status = 503, attempt = 3,
    elapsed_ms = 30001 },
    expect = { give_up = true }, reason = 'no success for 30 s' },
}
