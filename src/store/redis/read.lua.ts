import { CLOCK } from './clock.lua.ts'

/**
 * One linearizable read.
 *
 * KEYS  1 meta · 2 record
 * ARGV  1, 2 unused · 3 a number that the clock has to be past
 * Answer: store time · the record, '' when there is none
 */
export const READ: string = `
${CLOCK}
local record = redis.call('GET', KEYS[2])
if not record then return { now, '' } end
local body = string.find(record, '\\n', 1, true) + 1
return { now, string.sub(record, 1, string.find(record, '\\n', body, true) - 1) }`

/**
 * Appends to a history; on no record it does nothing.
 *
 * KEYS  1 meta · 2 record · 3 its list of events
 * ARGV  1 fence · 2 the rest of the event · 3 a number that the clock has to be past
 * Answer: 1, or 0 when there is no record
 */
export const NOTE: string = `
${CLOCK}
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local number = string.format('%.0f', clock)
redis.call('HSET', KEYS[1], 'seq', number, 'off', string.format('%.0f', off))
redis.call('RPUSH', KEYS[3], '[' .. number .. ',' .. string.format('%.0f', now) .. ',' .. ARGV[1] .. ',' .. ARGV[2])
return 1`

/**
 * KEYS  1 record · 2 its list of events
 * Answer: the record, '' when there is none; then what is in the list: lines of events
 */
export const HISTORY: string = `
local lines = redis.call('LRANGE', KEYS[2], 0, -1)
table.insert(lines, 1, redis.call('GET', KEYS[1]) or '')
return lines`
