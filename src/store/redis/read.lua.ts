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
return { now, redis.call('GET', KEYS[2]) or '' }`

/**
 * Appends to a history; on no record it does nothing.
 *
 * KEYS  1 meta · 2 record · 3 its events
 * ARGV  1 fence · 2 the rest of the event · 3 a number that the clock has to be past
 * Answer: 1, or 0 when there is no record
 */
export const NOTE: string = `
${CLOCK}
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
redis.call('RPUSH', KEYS[3], '[' .. string.format('%.0f', now) .. ',' .. ARGV[1] .. ',' .. ARGV[2])
return 1`
