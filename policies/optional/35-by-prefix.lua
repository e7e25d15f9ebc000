-- 35-by-prefix: what lies below some prefixes goes at an age, whatever its workflow does.
-- Decides: reclaim     Facts: artifact.key, event     No answer: other keys, other events than age
-- Override: copy it into /etc/purser/policies.d and write your own RULES; the first that fits decides.
local RULES = {
  { keys = '**tmp/**', after = '7d' },
  { keys = '**cache/**', after = '90d' },
}

local function reclaim(artifact)
  if artifact.event ~= 'age' then
    return nil
  end
  for _, rule in ipairs(RULES) do
    if purser.glob(rule.keys, artifact.key) then
      return { action = 'delete', after = rule.after, reason = rule.keys .. ' goes after ' .. rule.after }
    end
  end
  return nil
end

return { api = 1, name = 'by-prefix', reclaim = reclaim }
