import { createHash } from 'node:crypto'

/** What becomes of an answer whose effect is done: it arrives, its connection breaks, or a proxy says 503 in its place. */
export type Answer = 'arrives' | 'lost' | 'unavailable'

const LOST = 0.015
const UNAVAILABLE = 0.015
const SLOW_MODEL = 0.04

/** A number in [0, 1) that depends on nothing but its arguments: two runs meet the same misfortune where they do the same. */
export function chance(seed: number, ...about: readonly (string | number)[]): number {
  return (
    createHash('sha256')
      .update(`${seed}/${about.join('/')}`)
      .digest()
      .readUInt32BE(0) /
    2 ** 32
  )
}

/** The fate of the answer to the `nth` arrival of one wish. */
export function answerOf(seed: number, about: string, nth: number): Answer {
  const drawn = chance(seed, 'answer', about, nth)
  if (drawn < LOST) return 'lost'
  return drawn < LOST + UNAVAILABLE ? 'unavailable' : 'arrives'
}

/** True when the model takes longer than the gateway waits, in this attempt of an order. */
export const isSlow = (seed: number, order: number, attempt: number): boolean =>
  attempt <= 2 && chance(seed, 'model', order, attempt) < SLOW_MODEL
