/**
 * Begins every script that needs the time. Before it: KEYS 1 is the partition's meta hash, ARGV 3 a number that the
 * clock has to be past: the highest that the caller knows, or the last time that it was told. After it: `meta` (seq, off,
 * at, and, with WRITER_CLOCK, the last number of a writer and `gone`), `clock` (the next number), `off`, `moved` (`off` is another one now) and `now`.
 *
 * Numbers are microseconds of the server's clock, made to grow: no number comes twice, neither after a deletion nor after
 * a loss, and of two partitions the later one gives out the higher. `off` is by how much the ledger's clock is ahead of the
 * server's, which was set back at some time; so time neither goes back nor stands still. A step of more than a second is
 * written down by whoever notices it; what is less comes from servers that differ by it, and with the next number.
 */
const clockWith = (field: string): string => `
local meta = redis.call('HMGET', KEYS[1], 'seq', 'off', 'at', ${field})
if not meta[1] then return redis.error_reply('ONEFOLD_ABSENT') end
local last, off = tonumber(meta[1]), tonumber(meta[2])
local most = tonumber(ARGV[3])
if most > last then last = most end
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2] + off
local moved = clock <= last
if moved then
  local behind = last + 1 - clock
  off = off + behind
  clock = last + 1
  if behind > 1000000 then redis.pcall('HSET', KEYS[1], 'off', string.format('%.0f', off)) end
end
local now = math.floor(clock / 1000)
`

export const CLOCK: string = clockWith(`'-'`)

/**
 * For scripts that name a field of meta, the last number of a writer, in the variable `writerField`. After it also:
 * `known`, what the ledger has of that writer: a row that is gone stood for a number up to `gone` (RETIRE).
 */
export const WRITER_CLOCK: string = `
${clockWith(`writerField, 'gone'`)}
local known = tonumber(meta[4] or meta[5] or '0')
`
