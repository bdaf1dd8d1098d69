import { randomFillSync } from 'node:crypto'
import type { Ids } from '../engine/index.ts'

const POOL_BYTES = 4096
const NONCE_BYTES = 15
const RUN_BYTES = 10

/** Random names, cut from a pool: one look for randomness per name would cost more than the rest of a replay. */
export function systemIds(): Ids {
  const pool = Buffer.alloc(POOL_BYTES)
  let used = POOL_BYTES

  /** Where the next so many bytes of the pool begin. */
  function take(bytes: number): number {
    if (used + bytes > POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    used += bytes
    return used - bytes
  }

  return {
    nonce: () => {
      const at = take(NONCE_BYTES)
      return pool.toString('base64url', at, at + NONCE_BYTES)
    },
    runId: () => {
      const at = take(RUN_BYTES)
      return uuidv7(Date.now(), pool.subarray(at, at + RUN_BYTES))
    },
  }
}

/** RFC 9562 section 5.7. */
function uuidv7(nowMs: number, random: Uint8Array): string {
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(nowMs, 0, 6)
  bytes.set(random, 6)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
