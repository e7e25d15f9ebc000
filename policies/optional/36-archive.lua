-- 36-archive: what has been kept for long and is big moves into cold storage, where a byte costs a fraction.
-- Decides: reclaim     Facts: artifact.url, size_bytes, event, storage_class     No answer: small, local, archived
-- Override: copy it into /etc/purser/policies.d and change DAYS, SIZE or CLASSES.
local DAYS = '90d'
local SIZE = purser.size('16MiB')
local CLASSES = { s3 = 'GLACIER_IR', oss = 'Archive' }

local function reclaim(artifact)
  local class = purser.prefix('s3://', artifact.url) and CLASSES.s3
    or purser.prefix('oss://', artifact.url) and CLASSES.oss
  if artifact.event ~= 'age' or not class or artifact.storage_class == class or (artifact.size_bytes or 0) < SIZE then
    return nil
  end
  return { action = 'archive', class = class, after = DAYS, reason = 'older than ' .. DAYS }
end

return { api = 1, name = 'archive', reclaim = reclaim }
