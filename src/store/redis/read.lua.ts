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
local record = redis.call('HMGET', KEYS[2], 'h', 'b')
return { now, record[1] and record[1] .. '\\n' .. record[2] or '' }`

/**
 * Appends to a history; on no record it does nothing.
 *
 * KEYS  1 meta · 2 record
 * ARGV  1 fence · 2 the rest of the event · 3 a number that the clock has to be past
 * Answer: 1, or 0 when there is no record
 */
export const NOTE: string = `
${CLOCK}
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local number = string.format('%.0f', clock)
redis.call('HSET', KEYS[1], 'seq', number, 'off', string.format('%.0f', off))
redis.call('HSET', KEYS[2], 'e' .. number, '[' .. string.format('%.0f', now) .. ',' .. ARGV[1] .. ',' .. ARGV[2])
return 1`

/**
 * KEYS  1 record
 * Answer: fields and values, in turns; events are those that begin with `e`
 */
export const HISTORY: string = `return redis.call('HGETALL', KEYS[1])`
