/**
 * Keeps bytes beside an operation; beside a tombstone it keeps nothing.
 *
 * KEYS  1 record · 2 the operation's bytes, by content (of one partition, so that one script may erase both)
 * ARGV  1 the name of the bytes · 2 the bytes as base64
 * Answer: 1, or 0 when the record is a tombstone
 */
export const PUT_BLOB: string = `
local record = redis.call('GET', KEYS[1])
if record and string.match(record, '^%S+ %S+ (%S+) ') == '13' then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1`
