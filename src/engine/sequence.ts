import type { Contract } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import type { ActiveRun } from './run.ts'

/** A call's place among the calls of one tool in one run. */
export interface Place {
  readonly index: number
  /** To be told whether the caller got an answer it can go on with; if not, the next call is this one's retry. */
  told(delivered: boolean): void
}

/**
 * The index of a call for `identity: 'sequence'`: a known callId, or a call that follows an undelivered one, takes that
 * one's index; any other call takes the next.
 * @throws OnefoldError CONTRACT_INVALID outside a run
 */
export function indexOfCall(run: ActiveRun | undefined, contract: Contract, callId: string | undefined): Place {
  if (run === undefined) {
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `${contract.name} counts its calls within a run (identity: 'sequence'), so it must be called inside guard.run. No effect started.`,
    )
  }
  const state = run.sequences.get(contract.name) ?? {
    next: 1,
    byCall: new Map<string | undefined, number>(),
    undelivered: undefined,
    delivered: new Set<number>(),
  }
  run.sequences.set(contract.name, state)
  const known = state.byCall.get(callId)
  const index = known ?? state.undelivered ?? state.next++
  if (known === undefined) state.undelivered = undefined
  // A call without an id is known again by nothing.
  if (callId !== undefined) state.byCall.set(callId, index)
  return {
    index,
    told: (delivered) => {
      if (delivered) {
        state.delivered.add(index)
        if (state.undelivered === index) state.undelivered = undefined
      } else if (!state.delivered.has(index)) state.undelivered = index
    },
  }
}

/** True when the caller got an answer that it can go on with. */
export const toldOutcome = ({ status }: { readonly status: string }): boolean =>
  status !== 'in-doubt' && status !== 'awaiting-input'
