import { CLOCK } from './clock.lua.ts'

/**
 * One step through an index, in order of recording. It looks at a window, and at 16 MiB at most, so that no listing holds
 * up the server.
 *
 * KEYS  1 meta · 2 an index by place
 * ARGV  1 base · 2 where to begin, as ZRANGEBYSCORE has it · 3 a number that the clock has to be past · 4 entries to
 *       look at · 5 most records · 6 beginning of members, '' for all tenants · 7 states between commas, '' for all ·
 *       8 1 for what is due only · 9 beginning of keys, '' for all · 10 most bytes of records, and one record more
 * Answer: store time · place of the last entry looked at, '' at the end · then member and record, in turns
 */
export const SCAN: string = `
${CLOCK}
local base, tenant, states, prefix = ARGV[1], ARGV[6], ARGV[7], ARGV[9]
local window, most, bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[10])
local found = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, window)
local out = { now, '' }
local n, looked = 2, 0
for i = 1, #found, 2 do
  local member = found[i]
  local mine = tenant == '' or string.sub(member, 1, #tenant) == tenant
  if mine and (prefix == '' or string.sub(member, string.find(member, ' ', 1, true) + 1, -1):sub(1, #prefix) == prefix) then
    local record = redis.call('GET', base .. 'r' .. member)
    local lease, state
    if record then
      looked = looked + #record
      state, lease = string.match(record, '^%S+ %S+ (%S+) %S+ %S+ (%S+) ')
    end
    local wanted = state and (states == '' or string.find(states, ',' .. state .. ',', 1, true))
    if wanted and ARGV[8] == '1' then wanted = state == '4' or state == '5' or tonumber(lease) <= now end
    if wanted then
      out[n + 1] = member
      local body = string.find(record, '\\n', 1, true) + 1
      out[n + 2] = string.sub(record, 1, string.find(record, '\\n', body, true) - 1)
      n = n + 2
      bytes = bytes - #out[n]
    end
    if n == 2 + 2 * most or bytes <= 0 or looked > 16777216 then
      out[2] = found[i + 1]
      return out
    end
  end
end
if #found == 2 * window then out[2] = found[#found] end
return out`

/**
 * Counts open records by state and tenant, a window at a time.
 *
 * KEYS  1 open records by place
 * ARGV  1 base · 2 where to begin, as ZRANGEBYSCORE has it · 3 entries to look at
 * Answer: place of the last entry looked at, '' at the end · then state and tenant as one word pair, and a count, in turns
 */
export const COUNT_OPEN: string = `
local found = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local counts = {}
for i = 1, #found, 2 do
  local record = redis.call('GET', ARGV[1] .. 'r' .. found[i])
  if record then
    local name = string.match(record, '^%S+ %S+ (%S+) ') .. ' ' .. string.match(found[i], '^(%S*) ')
    counts[name] = (counts[name] or 0) + 1
  end
end
local out = { #found == 2 * tonumber(ARGV[3]) and found[#found] or '' }
for name, count in pairs(counts) do
  out[#out + 1] = name
  out[#out + 1] = count
end
return out`
