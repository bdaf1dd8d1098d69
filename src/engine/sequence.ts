import type { Contract } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import type { ActiveRun, OperationFrame } from './run.ts'

/** A call's place among the calls of one tool in one run, or within one operation. */
export interface Place {
  /** Its number; within an operation that operation's key before it, which is the same whenever it runs again. */
  readonly index: number | string
  /** To be told whether the caller got an answer it can go on with; if not, the next call is this one's retry. */
  told(delivered: boolean): void
}

/**
 * The index of a call for `identity: 'sequence'`: a known callId, or a call that follows an undelivered one, takes that
 * one's index; any other call takes the next. What an operation calls is counted within that operation: when it is
 * recovered, the calls around it are not made again.
 * @throws OnefoldError CONTRACT_INVALID outside a run
 */
export function indexOfCall(
  run: ActiveRun | undefined,
  frame: OperationFrame | undefined,
  contract: Contract,
  callId: string | undefined,
): Place {
  if (run === undefined) {
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `${contract.name} counts its calls within a run (identity: 'sequence'), so it must be called inside guard.run. No effect started.`,
    )
  }
  const sequences = frame === undefined ? run.sequences : (frame.sequences ??= new Map())
  const state = sequences.get(contract.name) ?? {
    next: 1,
    byCall: new Map<string | undefined, number>(),
    undelivered: new Set<number>(),
    delivered: new Set<number>(),
  }
  sequences.set(contract.name, state)
  const { undelivered, delivered } = state
  const known = state.byCall.get(callId)
  const index = known ?? (undelivered.size > 0 ? Math.min(...undelivered) : state.next++)
  // Two retries at once are of two calls.
  if (known === undefined) undelivered.delete(index)
  // A call without an id is known again by nothing.
  if (callId !== undefined) state.byCall.set(callId, index)
  return {
    index: placeOf(run, frame, index),
    told: (arrived) => {
      if (arrived) {
        delivered.add(index)
        undelivered.delete(index)
      } else if (!delivered.has(index)) undelivered.add(index)
    },
  }
}

function placeOf(run: ActiveRun, frame: OperationFrame | undefined, index: number): number | string {
  if (frame !== undefined) return `${frame.key}/${index}`
  return run.parent === undefined ? index : `${run.parent.key}/${run.parent.ordinal}/${index}`
}

/** True when the caller got an answer that it can go on with. */
export const toldOutcome = ({ status }: { readonly status: string }): boolean =>
  status !== 'in-doubt' && status !== 'awaiting-input'
