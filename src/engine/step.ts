import type { Command, Refusal } from './commands.ts'
import { assertEdge, assertInvariant, type Transition } from './edges.ts'
import {
  isEvidenceOfRound,
  type Draft,
  type Evidence,
  type HistoryEvent,
  type OperationRecord,
  type State,
} from './record.ts'

/** What a command does to a record: the next record and the history's entry, or why nothing happens. */
export type Decision =
  | {
      readonly ok: true
      readonly transition: Transition
      /** Undefined deletes the record. */
      readonly draft: Draft | undefined
      readonly event: Omit<HistoryEvent, 'at'>
      /** Set when success evidence crossed a record that said "not done" or was closed by a person. */
      readonly alarm?: string
    }
  | { readonly ok: false; readonly refusal: Refusal }

/** What a transition changes. */
export type Change = Partial<Omit<Draft, 'key'>>

/** Nothing happens, and why. */
export const refuse = (refusal: Refusal): Decision => ({ ok: false, refusal })

/**
 * One transition, checked: a legal edge, fences that only grow, no release with an open send, no second outcome.
 * @throws InvariantViolation
 */
export function move(
  record: OperationRecord,
  transition: Transition,
  to: State,
  command: Command,
  change: Change,
  alarm?: string,
): Decision {
  assertEdge(transition, record.state, to)
  // One copy: this is on every effect's path. What the store sets anew (revision, moments) it does not read from a draft.
  const draft: Draft = { ...record, leaseMs: undefined, ...change, state: to }
  assertInvariant(draft.fence >= record.fence, 'fences only grow (I6)')
  assertInvariant(!(to === 'released' || to === 'rejected') || draft.openSends === 0, `${to} with an open send (I3)`)
  assertInvariant(
    !(record.state === 'committed' && to === 'committed') || draft.outcome === record.outcome,
    'a committed outcome is immutable (I5)',
  )
  return {
    ok: true,
    transition,
    draft,
    event: eventOf(transition, record.state, to, command, draft),
    ...(alarm === undefined ? {} : { alarm }),
  }
}

/** The history's entry for a step. */
export function eventOf(
  transition: Transition,
  from: State | 'absent',
  to: State | 'deleted',
  command: Command,
  draft: Pick<Draft, 'fence' | 'nonce' | 'openSends'>,
): Omit<HistoryEvent, 'at'> {
  return {
    transition,
    from,
    to,
    fence: draft.fence,
    nonce: draft.nonce,
    who: command.who,
    ...(command.why === undefined ? {} : { why: command.why }),
    openSends: draft.openSends,
  }
}

const evidenceOf = (now: number, command: Command, what: string): Evidence => ({ at: now, who: command.who, what })

/** The record's evidence and `what` the command learnt; undefined adds nothing. */
export const withEvidence = (
  record: OperationRecord,
  now: number,
  command: Command,
  what: string | undefined,
): readonly Evidence[] =>
  what === undefined ? record.evidence : newestOf([...record.evidence, evidenceOf(now, command, what)])

/** The newest facts are the ones that settle a doubt; older ones stay in the history. */
const EVIDENCE_KEPT = 32

/** A round that was sent stays a fact: once it is forgotten it would be sent again. */
function newestOf(evidence: readonly Evidence[]): readonly Evidence[] {
  let surplus = evidence.filter(({ what }) => !isEvidenceOfRound(what)).length - EVIDENCE_KEPT
  return surplus <= 0 ? evidence : evidence.filter(({ what }) => isEvidenceOfRound(what) || surplus-- <= 0)
}
