-- 10-part-size: few enough parts that lists stay short, small enough that a lost one costs little.
-- Decides: part_size     Facts: object.size_bytes     No answer: a stream, whose parts grow by themselves
-- Override: put your own 10-part-size.lua into /etc/purser/policies.d; the same name masks this one.
local MiB = 1024 * 1024

local function part_size(object)
  if not object.size_bytes then
    return nil
  end
  local wanted = (object.size_bytes // 5000 + MiB - 1) // MiB * MiB
  return { bytes = purser.clamp(wanted, 16 * MiB, 5120 * MiB), reason = 'size / 5000, at least 16 MiB' }
end

return { api = 1, name = 'part-size', part_size = part_size }
