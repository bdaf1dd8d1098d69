import type { Command } from './commands.ts'
import { assertEdge } from './edges.ts'
import { UNDONE, type OperationRecord } from './record.ts'
import { eventOf, move, refuse, withEvidence, type Decision } from './step.ts'

/**
 * T17, once retention and retry horizon are over: what happened leaves a tombstone, of what did not happen nothing is
 * left.
 */
export function expire(record: OperationRecord, command: Command, now: number): Decision {
  const { state } = record
  if (state === 'committed' || state === 'compensated' || state === 'abandoned') {
    if (now < record.updatedAt + Math.max(record.retentionMs, record.retryHorizonMs)) return refuse('lease')
    return move(record, 'T17', 'expired', command, {
      outcome: undefined,
      input: undefined,
      error: undefined,
      leaseMs: 0,
      evidence: withEvidence(record, now, command, state === 'compensated' ? UNDONE : undefined),
    })
  }
  if (state === 'released' || state === 'rejected') {
    if (record.openSends !== 0) return refuse('open-sends')
    // Its next attempt must be sent under a key of a new generation for as long as the downstream knows the old one. A
    // keyed contract's retention is no shorter than that.
    const keptMs =
      record.recovery === 'keyed' ? Math.max(record.retentionMs, record.retryHorizonMs) : record.retryHorizonMs
    if (now < record.updatedAt + keptMs) return refuse('lease')
    assertEdge('T17', state, 'deleted')
    return { ok: true, transition: 'T17', draft: undefined, event: eventOf('T17', state, 'deleted', command, record) }
  }
  return refuse('state')
}
