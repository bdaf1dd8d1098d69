import { createHash } from 'node:crypto'

/** What becomes of an answer: `lose` destroys the connection, `stall` lets the caller's deadline pass. The effect is done in all three. */
export type Fault = 'none' | 'lose' | 'stall'

/** Of all answers to writes. Together: 30 % never arrive. */
const LOST = 0.24
const STALLED = 0.06

/**
 * The fate of the `nth` arrival of one wish. It depends on nothing but its arguments, so that two runs meet the same
 * misfortune wherever they do the same.
 */
export function faultOf(seed: number, kind: string, id: string, nth: number): Fault {
  const digest = createHash('sha256').update(`${seed}/${kind}/${id}/${nth}`).digest()
  const chance = digest.readUInt32BE(0) / 2 ** 32
  if (chance < LOST) return 'lose'
  return chance < LOST + STALLED ? 'stall' : 'none'
}
