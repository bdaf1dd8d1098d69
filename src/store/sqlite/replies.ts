import { errorOf } from './failure.ts'
import { NUMBERS_OF_APPLIED, type Replies, type WriteReply } from './wire.ts'

/** Who waits for the answer to a step. */
export interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

/**
 * Tells everybody who waits what came of their steps.
 * @param take hands out who waits for the step of that id, once
 * @param broke called for a failure after which the connection is not to be used any more
 */
export function settleReplies(
  [now, amnesiaAt, applied, others]: Replies,
  take: (id: number) => Waiting | undefined,
  broke: () => void,
): void {
  for (let n = 0; n < applied.length; n += NUMBERS_OF_APPLIED) {
    const reply: WriteReply = [1, now, applied[n + 1] as number, applied[n + 2] as number, amnesiaAt]
    take(applied[n] as number)?.resolve(reply as never)
  }
  for (const [id, ok, value] of others) {
    const waiting = take(id)
    if (ok === 1) waiting?.resolve(value as never)
    else {
      if (value.broken) broke()
      waiting?.reject(errorOf(value))
    }
  }
}
