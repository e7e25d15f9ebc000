-- 15-upload: big files get more parts under way, as one connection seldom fills the network.
-- Decides: threshold, concurrency     Facts: object.size_bytes     No answer: a stream, whose parts are held in memory
-- Override: put your own 15-upload.lua into /etc/purser/policies.d; the same name masks this one.
local MiB = 1024 * 1024
local GiB = 1024 * MiB

local function upload(object)
  if not object.size_bytes then
    return nil
  end
  if object.size_bytes >= GiB then
    return { threshold = 16 * MiB, concurrency = 6, reason = '1 GiB or more: 6 parts at once' }
  end
  return { threshold = 16 * MiB, concurrency = 4, reason = 'below 1 GiB: 4 parts at once' }
end

return { api = 1, name = 'upload', upload = upload }
