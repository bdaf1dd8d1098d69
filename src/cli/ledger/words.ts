import { keepsDiverging, type HistoryEvent, type OperationRecord, type State } from '../../engine/index.ts'

/** What a step means, in the words of docs/reference/protocol.md. */
export function wordsOf(event: HistoryEvent): string {
  const { transition, from, to } = event
  switch (transition) {
    case 'T0':
      return 'the ledger has lost records, so that it may have happened before'
    case 'T1':
      return 'claimed; nothing sent yet'
    case "T1'":
      return from === 'absent' ? 'claimed and marked: may act from here on' : 'tried anew, marked: may act from here on'
    case 'T2':
      return 'marked: may act from here on'
    case 'T3':
      return 'given up before anything was sent'
    case 'T4':
      return 'taken over from an owner that had sent nothing'
    case 'T5':
      return 'done; the answer is recorded'
    case 'T6':
      return 'refused by the downstream: no effect'
    case 'T7':
      return 'provably not sent: no effect'
    case 'T8':
      return 'nobody knows whether it happened'
    case 'T9':
      return LATE[to] ?? 'a late answer arrived'
    case 'T10':
      return 'recovery began'
    case 'T11':
      return 'the downstream was asked: it happened'
    case 'T12':
      return 'the downstream was asked: it did not happen'
    case 'T13':
      return 'sent again under the same downstream key, with the recorded input'
    case 'T14':
      return 'recovery could not settle it yet'
    case 'T15':
      return 'the success of an earlier attempt arrived'
    case 'T16':
      return SETTLED[to] ?? 'settled by a person'
    case 'T17':
      return to === 'expired' ? 'result erased after retention; the key is remembered' : 'forgotten after retention'
    case 'T18':
      return 'tried anew; nothing sent yet'
    case 'T19':
      return to === 'awaiting-input' ? 'the downstream asked its caller a question' : 'the question was answered'
    case 'T20':
      return VERIFIED[to] ?? 'verification began'
    case 'T21':
      return to === 'compensated' ? 'undone' : 'the undo began'
    case 'superseded':
      return 'taken over by a newer contract'
    case 'heartbeat':
      return 'still at work'
    case 'delivered':
      return 'the caller went on with the answer'
    case 'adopted':
      return 'began a nested operation'
    case 'duplicate':
      return 'repeats arrived'
    default:
      return transition
  }
}

const LATE: Partial<Record<State | 'deleted', string>> = {
  committed: 'the answer arrived late: done',
  rejected: 'the answer arrived late: refused, no effect',
  released: 'shown late: nothing was sent',
}

const SETTLED: Partial<Record<State | 'deleted', string>> = {
  committed: 'settled by a person: it happened',
  released: 'settled by a person: it did not happen',
  abandoned: 'closed by a person who could not know',
}

const VERIFIED: Partial<Record<State | 'deleted', string>> = {
  accepted: 'accepted by the downstream; not confirmed yet',
  committed: 'confirmed: it happened',
  'in-doubt': 'it was accepted, and could not be confirmed',
}

/** A process name `host/boot/pid/start` for people; a person's name stays as it is. */
export function whoIs(who: string): string {
  const [host, boot, pid, start, ...more] = who.split('/')
  if (host === undefined || boot === undefined || pid === undefined || start === undefined || more.length > 0)
    return who
  return /^\d+$/.test(pid) ? `process ${pid} on ${host}` : who
}

/** What settles an operation that is not closed; undefined for one that is. */
export function settledBy(record: OperationRecord): string | undefined {
  switch (record.state) {
    case 'claimed':
    case 'executing':
      return 'its owner, when the answer arrives; when the lease is over it counts as in doubt'
    case 'awaiting-input':
      return 'the caller, who was asked a question'
    case 'recovering':
      return 'the recovery that is under way'
    case 'compensating':
      return 'whoever undoes it; where nobody does any more, calling its compensate again with the same input (a saga goes on by itself)'
    case 'accepted':
      return 'its verification, run by the program that declares the tool'
    case 'in-doubt':
      return doubtSettledBy(record)
    default:
      return undefined
  }
}

function doubtSettledBy(record: OperationRecord): string {
  const { recovery, reason } = record
  if (keepsDiverging(record))
    return 'a person: its parts no longer come as they were recorded; said to be not done, the next call begins it anew, and what its parts have done is not done again'
  if (reason === 'window-closed') return 'a person: the downstream no longer honours our key'
  if (reason === 'no-key')
    return 'a person, or the tool’s probe: it was sent under no key of ours (ctx.fetch or ctx.downstreamKey gives one)'
  if (reason === 'precondition-failed') return 'a person: the precondition of applying it again does not hold'
  if (reason === 'verification-failed') return 'a person: it was accepted, and could not be confirmed'
  switch (recovery) {
    case 'keyed':
      return 'sending it again under the same key: by itself, while the program that declares the tool runs'
    case 'probe':
      return 'asking the downstream: by itself, while the program that declares the tool runs'
    case 'idempotent':
      return 'applying it again while its precondition holds: by itself, while the program that declares the tool runs'
    case 'composite':
      return 'running it again with its recorded parts: by itself, while the program that declares the tool runs'
    default:
      return 'a person: look whether it happened, then say so'
  }
}

/** True when only a person can settle it. */
export const needsPerson = (record: OperationRecord): boolean =>
  record.state === 'in-doubt' && doubtSettledBy(record).startsWith('a person')
