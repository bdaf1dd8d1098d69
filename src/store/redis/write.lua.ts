import { CLOCK } from './clock.lua.ts'

/**
 * Judges and applies any number of compare-and-sets of one partition; each item on its own.
 *
 * KEYS  1 meta · 2 all records by place · 3 open records by place · 4 counts · 5 writers
 *       (all keys of a partition share a hash tag; those of an item are named by ARGV 1 and its member)
 * ARGV  1 base · 2 writer · 3 a number that the clock has to be past · 4 beginning of channels
 *       then six an item: member · head · body · event · bucket · run
 *       head: expected revision · state (0 deletes) · lease in ms (k keeps) · fence (0: next number) · first send ·
 *       doubt · creation (n: now) · open (1, 0) · fence of the event (0: the record's)
 * Answer: store time · highest number · time of the amnesia mark (0: none) · last number of this writer (0: none)
 *       then two an item: its number and the lease before it, or -1 and the record as it is ('' when there is none)
 * Errors: ONEFOLD_ABSENT when the partition is not there.
 *
 * A record is `revision lease place state open run first doubt created updated fence \n body`. It is written last: where a
 * script is cut off by a key that moves to another node, an index may know a record that is not there, never the reverse.
 */
export const WRITE: string = `
${CLOCK}
local function text(n) return string.format('%.0f', n) end
local base, writer, channel = ARGV[1], ARGV[2], ARGV[4]
local known = tonumber(redis.call('HGET', KEYS[5], writer) or '0')
local at = tonumber(meta[3] or '0')
local nowText = text(now)
local given = clock
local out = { now, tonumber(meta[1]), at, known }
local n = 4
for i = 5, #ARGV, 6 do
  local member = ARGV[i]
  local record = base .. 'r' .. member
  local expect, state, lease, fence, first, doubt, created, open, eventFence =
    string.match(ARGV[i + 1], '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  local head = redis.call('GETRANGE', record, 0, 255)
  local revision, oldLease, place, oldState, oldOpen, oldRun = '0', '0', nil, nil, nil, nil
  if head ~= '' then
    revision, oldLease, place, oldState, oldOpen, oldRun = string.match(head, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) ')
    if not revision then
      revision, oldLease, place, oldState, oldOpen, oldRun =
        string.match(redis.call('GET', record), '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) ')
    end
  end
  if revision ~= expect then
    out[n + 1] = -1
    out[n + 2] = head == '' and '' or redis.call('GET', record)
  else
    local number = text(given)
    local tenant = string.match(member, '^(%S*) ')
    if oldState and oldState ~= state then
      if redis.call('HINCRBY', KEYS[4], oldState .. ' ' .. tenant, -1) == 0 then
        redis.call('HDEL', KEYS[4], oldState .. ' ' .. tenant)
      end
    end
    if state == '0' then
      if place then
        redis.call('ZREM', KEYS[2], member)
        redis.call('ZREM', KEYS[3], member)
        redis.call('ZREM', base .. 'k' .. ARGV[i + 4], member)
        if oldRun ~= '-' then redis.call('ZREM', base .. 'u' .. oldRun, member) end
        redis.call('DEL', base .. 'e' .. member, record)
      end
    else
      if oldState ~= state then redis.call('HINCRBY', KEYS[4], state .. ' ' .. tenant, 1) end
      local run = ARGV[i + 5]
      local next
      if place then
        next = text(tonumber(revision) + 1)
      else
        next, place = number, number
        redis.call('ZADD', KEYS[2], place, member)
        redis.call('ZADD', base .. 'k' .. ARGV[i + 4], place, member)
      end
      if run ~= (oldRun or '-') then
        if run ~= '-' then redis.call('ZADD', base .. 'u' .. run, place, member) end
        if oldRun and oldRun ~= '-' then redis.call('ZREM', base .. 'u' .. oldRun, member) end
      end
      if open == '1' then
        if oldOpen ~= '1' then redis.call('ZADD', KEYS[3], place, member) end
      elseif oldOpen == '1' then
        redis.call('ZREM', KEYS[3], member)
      end
      if lease == 'k' then lease = oldLease elseif lease ~= '0' then lease = text(now + tonumber(lease)) end
      if fence == '0' then fence = number end
      if first == 'n' then first = nowText end
      if doubt == 'n' then doubt = nowText end
      if created == 'n' then created = nowText end
      if eventFence == '0' then eventFence = fence end
      redis.call('RPUSH', base .. 'e' .. member, '[' .. nowText .. ',' .. eventFence .. ',' .. ARGV[i + 3])
      redis.call('SET', record, next .. ' ' .. lease .. ' ' .. place .. ' ' .. state .. ' ' .. open .. ' ' .. run .. ' '
        .. first .. ' ' .. doubt .. ' ' .. created .. ' ' .. nowText .. ' ' .. fence .. '\\n' .. ARGV[i + 2])
    end
    if head ~= '' then redis.call('PUBLISH', channel .. string.match(member, ' (.*)$'), '') end
    out[n + 1] = given
    out[n + 2] = tonumber(oldLease)
    out[2] = given
    given = given + 1
  end
  n = n + 2
end
if given > clock then
  local highest = text(given - 1)
  redis.call('HSET', KEYS[1], 'seq', highest, 'off', text(off))
  redis.call('HSET', KEYS[5], writer, highest)
end
return out`
