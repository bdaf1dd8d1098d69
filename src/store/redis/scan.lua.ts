import { CLOCK } from './clock.lua.ts'

/**
 * One step through an index, in order of recording. It looks at a window, so that no listing holds up the server.
 *
 * KEYS  1 meta · 2 an index by place
 * ARGV  1 base · 2 where to begin, as ZRANGEBYSCORE has it · 3 a number that the clock has to be past · 4 entries to
 *       look at · 5 most records · 6 beginning of members, '' for all tenants · 7 states between commas, '' for all ·
 *       8 1 for what is due only
 * Answer: store time · place of the last entry looked at, '' at the end · then member and record, in turns
 */
export const SCAN: string = `
${CLOCK}
local base, tenant, states = ARGV[1], ARGV[6], ARGV[7]
local window, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local found = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, window)
local out = { now, '' }
local n = 2
for i = 1, #found, 2 do
  local member = found[i]
  if tenant == '' or string.sub(member, 1, #tenant) == tenant then
    local head = redis.call('GETRANGE', base .. 'r' .. member, 0, 127)
    local lease, state = string.match(head, '^%S+ (%S+) %S+ (%S+) ')
    local wanted = state and (states == '' or string.find(states, ',' .. state .. ',', 1, true))
    if wanted and ARGV[8] == '1' then wanted = state == '4' or state == '5' or tonumber(lease) <= now end
    if wanted then
      out[n + 1] = member
      out[n + 2] = redis.call('GET', base .. 'r' .. member)
      n = n + 2
      if n == 2 + 2 * most then
        out[2] = found[i + 1]
        return out
      end
    end
  end
end
if #found == 2 * window then out[2] = found[#found] end
return out`
