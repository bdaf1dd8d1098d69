import { WRITER_CLOCK } from './clock.lua.ts'

/**
 * Judges and applies any number of compare-and-sets of one partition; each item on its own.
 *
 * KEYS  1 meta · 2 all records by place · 3 open records by place · 4 counts of closed records
 *       (all keys of a partition share a hash tag; those of an item are named by ARGV 1 and its member)
 * ARGV  1 base · 2 writer · 3 a number that the clock has to be past · 4 beginning of channels
 *       then five an item: member · head · body · event · run
 *       head: expected revision · state (0 deletes) · lease in ms (k keeps) · fence (0: next number) · first send ·
 *       doubt · creation (n: now) · open (1, 0) · fence of the event (0: the record's)
 * Answer: store time · highest number · time of the amnesia mark (0: none) · last number of this writer (0: none)
 *       then two an item: its number and the lease before it, or -1 and the record as it is ('' when there is none)
 * Errors: ONEFOLD_ABSENT when the partition is not there.
 *
 * A record is a hash: `h`, its head `revision lease place state open run first doubt created updated fence`; `b`, its
 * body; `e` and a number, an event. Head, body and event are written together and last: where a script is cut off by a
 * key that moves to another node, an index may know a record that is not there, never the reverse.
 */
export const WRITE: string = `
local base, writer, channel = ARGV[1], ARGV[2], ARGV[4]
local writerField = 'w' .. writer
${WRITER_CLOCK}
local call, match, format = redis.call, string.match, string.format
local at, known = tonumber(meta[3] or '0'), tonumber(meta[4] or '0')
local nowText = format('%.0f', now)
local given = clock
local out = { now, tonumber(meta[1]), at, known }
local n = 4
for i = 5, #ARGV, 5 do
  local member = ARGV[i]
  local record = base .. 'r' .. member
  local expect, state, lease, fence, first, doubt, created, open, eventFence =
    match(ARGV[i + 1], '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  local head = call('HGET', record, 'h')
  local revision, oldLease, place, oldState, oldOpen, oldRun = '0', '0', nil, nil, nil, nil
  if head then
    revision, oldLease, place, oldState, oldOpen, oldRun = match(head, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) ')
  end
  if revision ~= expect then
    out[n + 1] = -1
    out[n + 2] = head and head .. '\\n' .. call('HGET', record, 'b') or ''
  else
    local number = format('%.0f', given)
    if oldOpen == '0' and oldState ~= state then
      local count = oldState .. ' ' .. match(member, '^(%S*) ')
      if call('HINCRBY', KEYS[4], count, -1) == 0 then call('HDEL', KEYS[4], count) end
    end
    if state == '0' then
      if place then
        call('ZREM', KEYS[2], member)
        call('ZREM', KEYS[3], member)
        if oldRun ~= '-' then call('ZREM', base .. 'u' .. oldRun, member) end
        call('DEL', record)
      end
    else
      local run = ARGV[i + 4]
      local next
      if place then
        next = format('%.0f', tonumber(revision) + 1)
      else
        next, place, oldRun = number, number, '-'
        call('ZADD', KEYS[2], place, member)
      end
      if open == '1' then
        if oldOpen ~= '1' then call('ZADD', KEYS[3], place, member) end
      else
        if oldOpen == '1' then call('ZREM', KEYS[3], member) end
        if oldState ~= state then call('HINCRBY', KEYS[4], state .. ' ' .. match(member, '^(%S*) '), 1) end
      end
      if run ~= oldRun then
        if run ~= '-' then call('ZADD', base .. 'u' .. run, place, member) end
        if oldRun ~= '-' then call('ZREM', base .. 'u' .. oldRun, member) end
      end
      if lease == 'k' then lease = oldLease elseif lease ~= '0' then lease = format('%.0f', now + lease) end
      if fence == '0' then fence = number end
      if first == 'n' then first = nowText end
      if doubt == 'n' then doubt = nowText end
      if created == 'n' then created = nowText end
      if eventFence == '0' then eventFence = fence end
      call('HSET', record,
        'h', next .. ' ' .. lease .. ' ' .. place .. ' ' .. state .. ' ' .. open .. ' ' .. run .. ' ' .. first .. ' '
          .. doubt .. ' ' .. created .. ' ' .. nowText .. ' ' .. fence,
        'b', ARGV[i + 2],
        'e' .. number, '[' .. nowText .. ',' .. eventFence .. ',' .. ARGV[i + 3])
    end
    if head then call('PUBLISH', channel .. match(member, ' (.*)$'), '') end
    out[n + 1] = given
    out[n + 2] = tonumber(oldLease)
    out[2] = given
    given = given + 1
  end
  n = n + 2
end
if given > clock then
  local highest = format('%.0f', given - 1)
  call('HSET', KEYS[1], 'seq', highest, writerField, highest, 'off', format('%.0f', off))
end
return out`
