import { CLOCK, WRITER_CLOCK } from './clock.lua.ts'

/**
 * Looks for a partition and makes it where there is none.
 *
 * KEYS  1 meta · 2 all records by place
 * ARGV  1 schema version · 2 the ledger's name if it is made · 3 partitions · 4 why its absence is a loss, '' where it
 *       is none · 5 1 to make it
 * What is made after a loss counts as made until the mark is set everywhere (MARK): the answer may get lost, or who asked.
 * Answer: found, made, absent or foreign · schema version · ledger · partitions · 1 where it holds records
 */
export const FOUND: string = `
local kind = redis.call('TYPE', KEYS[1])
kind = type(kind) == 'table' and kind.ok or kind
if kind ~= 'hash' and kind ~= 'none' then return { 'foreign', kind, '', '0', 0 } end
if kind == 'hash' then
  local meta = redis.call('HMGET', KEYS[1], 'schema', 'ledger', 'partitions', 'fresh')
  if not meta[1] or not meta[2] or not meta[3] then return { 'foreign', 'hash', '', '0', 0 } end
  return { meta[4] and 'made' or 'found', meta[1], meta[2], meta[3], redis.call('EXISTS', KEYS[2]) }
end
if ARGV[5] ~= '1' then return { 'absent', '', '', '0', 0 } end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'ledger', ARGV[2], 'partitions', ARGV[3], 'seq', string.format('%.0f', now), 'off', '0')
if ARGV[4] ~= '' then
  local at = string.format('%.0f', math.floor(now / 1000))
  redis.call('HSET', KEYS[1], 'at', at, 'mark', '{"at":' .. at .. ',"lossFrom":0,"why":"' .. ARGV[4] .. '"}', 'fresh', '1')
end
return { 'made', ARGV[1], ARGV[2], ARGV[3], 0 }`

/**
 * The state of a partition.
 *
 * KEYS  1 meta
 * ARGV  1 writer · 2 unused · 3 a number that the clock has to be past
 * Answer: store time · highest number · amnesia mark as JSON, '' for none · what the ledger has of this writer (0: nothing)
 */
export const EPOCH: string = `
local writerField = 'w' .. ARGV[1]
${WRITER_CLOCK}
return { now, tonumber(meta[1]), redis.call('HGET', KEYS[1], 'mark') or '', known }`

/**
 * Sets or lifts the amnesia mark of a partition. What a writer lost until now is marked with it: its last number counts
 * from here.
 *
 * KEYS  1 meta
 * ARGV  1 the mark as JSON, '' to lift it · 2 its time · 3 a number that the clock has to be past · 4 that writer, '' for
 *       none
 * Answer: 1
 */
export const MARK: string = `
${CLOCK}
if ARGV[4] ~= '' then
  local number = string.format('%.0f', clock)
  redis.call('HSET', KEYS[1], 'seq', number, 'off', string.format('%.0f', off), 'w' .. ARGV[4], number)
end
if ARGV[1] == '' then
  redis.call('HDEL', KEYS[1], 'at', 'mark')
else
  redis.call('HSET', KEYS[1], 'at', ARGV[2], 'mark', ARGV[1])
  redis.call('HDEL', KEYS[1], 'fresh')
end
return 1`

/**
 * Forgets writers: one that ends, and those that have not written since a moment. One of these may be alive all the same:
 * the moment is kept, so that it does not take its missing row for a loss. Writes down what the one that ends has
 * seen of the clock, which nobody shall see go back.
 *
 * KEYS  1 meta
 * ARGV  1 writer · 2 the moment, as a number of the ledger · 3 a number that the clock has to be past
 * Answer: how many
 */
export const RETIRE: string = `
${CLOCK}
redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', clock), 'off', string.format('%.0f', off))
local gone = redis.call('HDEL', KEYS[1], 'w' .. ARGV[1])
local old = false
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 1) == 'w' and tonumber(fields[i + 1]) < tonumber(ARGV[2]) then
    gone = gone + redis.call('HDEL', KEYS[1], fields[i])
    old = true
  end
end
if old and tonumber(ARGV[2]) > tonumber(redis.call('HGET', KEYS[1], 'gone') or '0') then
  redis.call('HSET', KEYS[1], 'gone', ARGV[2])
end
return gone`

/**
 * Does with keys of its own everything that the other scripts do, so that a right that is missing is noticed before the
 * first record: a script that is refused half way would leave half a step.
 *
 * KEYS  1 a key · 2 another
 * ARGV  1 a channel · 2 what to write
 * Answer: -1 · what was read back; a client may change either on its way
 */
export const RIGHTS: string = `
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('TIME')
redis.call('TYPE', KEYS[1])
redis.call('EXISTS', KEYS[1])
redis.call('ZADD', KEYS[1], 1, 'a')
redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
redis.call('ZSCORE', KEYS[1], 'a')
redis.call('ZREM', KEYS[1], 'a')
redis.call('HSET', KEYS[1], 'a', 1, 'b', 2)
redis.call('HINCRBY', KEYS[1], 'a', 1)
redis.call('HGET', KEYS[1], 'a')
redis.call('HMGET', KEYS[1], 'a', 'b')
redis.call('HGETALL', KEYS[1])
redis.call('HDEL', KEYS[1], 'a', 'b')
redis.call('RPUSH', KEYS[1], 'a')
redis.call('LRANGE', KEYS[1], 0, -1)
redis.call('PUBLISH', ARGV[1], '')
redis.call('MSET', KEYS[2], ARGV[2])
local read = redis.call('GET', KEYS[2])
redis.call('DEL', KEYS[1], KEYS[2])
return { -1, read }`

/**
 * KEYS  1 counts
 * Answer: state and tenant as one word pair, and a count, in turns
 */
export const COUNTS: string = `return redis.call('HGETALL', KEYS[1])`
