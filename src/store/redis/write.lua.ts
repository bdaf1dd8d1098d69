import { WRITER_CLOCK } from './clock.lua.ts'

/**
 * Judges and applies any number of compare-and-sets of one partition; each item on its own.
 *
 * KEYS  1 meta · 2 all records by place · 3 open records by place · 4 counts of closed records
 *       (all keys of a partition share a hash tag; those of an item are named by ARGV 1 and its member)
 * ARGV  1 base · 2 writer · 3 a number that the clock has to be past · 4 beginning of channels · 5 what the writer
 *       remembers of its last number
 *       then four an item: member · head · rest · event
 *       head: expected revision · next revision · state (0 deletes) · open (1, 0) · run · lease in ms (k keeps) ·
 *       fence (0: next number) · fence of the event (0: the record's)
 * Answer: store time · highest number · time of the amnesia mark (0: none) · what the ledger has of this writer (0: nothing)
 *       then two an item: its number and, where it is kept, the lease before it; or -1 and the record as it is ('' when
 *       there is none); or -2 and '' where a record is to be made that the index has already: somebody deleted it
 * Errors: ONEFOLD_ABSENT when the partition is not there.
 *
 * A record is one string of lines: its head `revision place state open run lease updated fence first doubt created`, its
 * body, and its events, oldest first. Where they grow long they move into a list (`h` and the member), so that a step
 * costs the same however many were before it. Records are written last, all of them by one command: where a script is cut
 * off by a key that moves to another node, an index may know a record that is not there, never the reverse. What lies
 * beside a record that becomes a tombstone (13) goes after it.
 *
 * A record that was deleted by hand is told until the mark is set, and no more while it stands.
 *
 * A last number below the one that its writer remembers means that records were lost. It stays until the mark is set
 * (MARK): raised by this step, it would be gone with an answer that gets lost.
 */
export const WRITE: string = `
local base, writer, channel = ARGV[1], ARGV[2], ARGV[4]
local writerField = 'w' .. writer
${WRITER_CLOCK}
local call, match, format, find, sub = redis.call, string.match, string.format, string.find, string.sub
local nowText = format('%.0f', now)
local given = clock
local out = { now, tonumber(meta[1]), tonumber(meta[3] or '0'), known }
local n = 4
local touched, leases, counts = {}, {}, {}
local placed, opened, closed, gone, records, expired = {}, {}, {}, {}, {}, {}
local function flush()
  if placed[1] then call('ZADD', KEYS[2], unpack(placed)) end
  if opened[1] then call('ZADD', KEYS[3], unpack(opened)) end
  if closed[1] then call('ZREM', KEYS[3], unpack(closed)) end
  if gone[1] then call('ZREM', KEYS[2], unpack(gone)) end
  for i = 1, #gone do call('DEL', base .. 'r' .. gone[i], base .. 'h' .. gone[i], base .. 'b' .. gone[i]) end
  if records[1] then call('MSET', unpack(records)) end
  for i = 1, #expired do call('DEL', base .. 'b' .. expired[i]) end
  touched, placed, opened, closed, gone, records, expired = {}, {}, {}, {}, {}, {}, {}
end
local function count(state, member, by)
  local name = state .. ' ' .. match(member, '^(%S*) ')
  counts[name] = (counts[name] or 0) + by
end
for i = 6, #ARGV, 4 do
  local member = ARGV[i]
  if touched[member] then flush() end
  local record = base .. 'r' .. member
  local expect, next, state, open, run, lease, fence, eventFence =
    match(ARGV[i + 1], '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)')
  local old = call('GET', record)
  local revision, place, oldState, oldOpen, oldRun, oldLease = '0', nil, nil, nil, '-', '0'
  if old then
    revision, place, oldState, oldOpen, oldRun, oldLease = match(old, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) ')
  end
  if revision ~= expect then
    out[n + 1] = -1
    out[n + 2] = old and sub(old, 1, find(old, '\\n', find(old, '\\n', 1, true) + 1, true) - 1) or ''
  elseif not old and state ~= '0' and not meta[3] and call('ZSCORE', KEYS[2], member) then
    out[n + 1] = -2
    out[n + 2] = ''
  else
    local number = format('%.0f', given)
    touched[member] = true
    out[n + 1] = given
    out[n + 2] = 0
    out[2] = given
    if oldOpen == '0' and oldState ~= state then count(oldState, member, -1) end
    if state == '0' then
      if old then
        gone[#gone + 1] = member
        if oldOpen == '1' then closed[#closed + 1] = member end
        if oldRun ~= '-' then call('ZREM', base .. 'u' .. oldRun, member) end
      end
    else
      local events = ''
      if old then
        events = sub(old, find(old, '\\n', find(old, '\\n', 1, true) + 1, true) + 1) .. '\\n'
        if #events > 2048 then
          call('RPUSH', base .. 'h' .. member, events)
          events = ''
        end
      else
        next, place = number, number
        placed[#placed + 1] = place
        placed[#placed + 1] = member
      end
      if open == '1' then
        if oldOpen ~= '1' then
          opened[#opened + 1] = place
          opened[#opened + 1] = member
        end
      else
        if oldOpen == '1' then closed[#closed + 1] = member end
        if oldState ~= state then count(state, member, 1) end
      end
      if run ~= oldRun then
        if run ~= '-' then call('ZADD', base .. 'u' .. run, place, member) end
        if oldRun ~= '-' then call('ZREM', base .. 'u' .. oldRun, member) end
      end
      if lease == 'k' then
        lease = oldLease
        out[n + 2] = tonumber(oldLease)
      elseif lease ~= '0' then
        local text = leases[lease] or format('%.0f', now + lease)
        leases[lease] = text
        lease = text
      end
      if fence == '0' then fence = number end
      if eventFence == '0' then eventFence = fence end
      if state == '13' then expired[#expired + 1] = member end
      records[#records + 1] = record
      records[#records + 1] = next .. ' ' .. place .. ' ' .. state .. ' ' .. open .. ' ' .. run .. ' ' .. lease .. ' '
        .. nowText .. ' ' .. fence .. ' ' .. ARGV[i + 2] .. '\\n' .. events
        .. '[' .. number .. ',' .. nowText .. ',' .. eventFence .. ',' .. ARGV[i + 3]
    end
    if old then call('PUBLISH', channel .. match(member, ' (.*)$'), '') end
    given = given + 1
  end
  n = n + 2
end
if given > clock then
  for name, by in pairs(counts) do
    if call('HINCRBY', KEYS[4], name, by) == 0 then call('HDEL', KEYS[4], name) end
  end
  flush()
  local highest = format('%.0f', given - 1)
  if moved then call('HSET', KEYS[1], 'off', format('%.0f', off)) end
  call('HSET', KEYS[1], 'seq', highest)
  if known >= tonumber(ARGV[5]) then call('HSET', KEYS[1], writerField, highest) end
end
return out`
