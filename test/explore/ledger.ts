import type { Command, Refusal } from '../../src/engine/commands.ts'
import type { Transition } from '../../src/engine/edges.ts'
import {
  OPEN_STATES,
  stamp,
  type Descriptor,
  type OperationRecord,
  type StoredOutcome,
} from '../../src/engine/record.ts'
import type { Decide } from './faults.ts'
import type { Setup } from './setup.ts'
import { RELATION } from './world.ts'

/** The one instant at which everything is decided; time passes by making a record's moments older. */
export const NOW = 1_000_000_000
export const LEASE = 30_000
export const QUARANTINE = 60_000
export const WINDOW_MS = 86_400_000
export const MARGIN_MS = 120_000
/** The wait of T12. */
export const REQUIRED_MS = 62_000
/** Store time of the amnesia mark: after every record that a backup brought back, before every later write. */
export const MARKED_AT = NOW - 1_000

const HORIZON = 86_400_000
const FENCE = 1_000
const KEY = 'of1_explored'
export const FIRST_OUTCOME: StoredOutcome = { kind: 'value', text: '"first"', sha256: 'first', size: 7 }
export const LATER_OUTCOME: StoredOutcome = { kind: 'value', text: '"later"', sha256: 'later', size: 7 }

/** What one command does to one record, in the explorer's terms. */
export interface Step {
  readonly ok: boolean
  /** Index of the next record, 0 for absent; the same record when refused. */
  readonly to: number
  readonly transition: Transition | undefined
  readonly refusal: Refusal | undefined
  /** New relation of each other attempt, by its old one. */
  readonly relations: readonly number[]
  /** The record moved on to a fresh downstream key. */
  readonly newKey: boolean
  /** The record was written where none was. */
  readonly inserted: boolean
  /** An invariant that the step itself breaks. */
  readonly problem: string | undefined
}

/** The record's store, reduced to what `decide` can tell apart. */
export interface Ledger {
  readonly record: (id: number) => OperationRecord | undefined
  /** Runs the production `decide` once for every (record, command) and remembers the answer, since it is pure. */
  readonly step: (id: number, name: string, build: () => Command) => Step
  /** The environment's changes to a record's moments; remembered too. */
  readonly age: (id: number, name: string, change: (record: OperationRecord) => Partial<OperationRecord>) => number
  /** Distinct records so far. */
  readonly size: () => number
  /** Every production edge that was taken, as `T2 claimed>executing`. */
  readonly transitions: () => readonly string[]
}

/** Fence and nonce of an attempt that stands in `relation` to the record. */
export function attempt(relation: number): { readonly fence: number; readonly nonce: string } {
  const fence = relation === RELATION.older ? FENCE - 1 : relation === RELATION.ahead ? FENCE + 1 : FENCE
  return { fence, nonce: relation === RELATION.own ? 'mine' : 'theirs' }
}

export function descriptorOf(setup: Setup): Descriptor {
  return {
    tenant: 'default',
    tool: 'explored',
    major: 1,
    recovery: setup.recovery,
    fingerprint: 'fingerprint',
    occurrence: 1,
    run: undefined,
    session: undefined,
    call: undefined,
    parent: undefined,
    retentionMs: HORIZON,
    retryHorizonMs: HORIZON,
    amount: undefined,
    unanchored: false,
    checked: setup.checked,
  }
}

const LEASED: readonly string[] = ['claimed', 'executing', 'awaiting-input', 'accepted', 'recovering']

/** Drops what `decide` never reads and maps every moment to "fresh" or "old". */
function canonical(record: OperationRecord, descriptor: Descriptor): OperationRecord {
  const { state } = record
  const closed = !OPEN_STATES.includes(state)
  const outcome = state === 'committed' || state === 'accepted' ? record.outcome : undefined
  return {
    ...record,
    ...descriptor,
    revision: 1,
    fence: FENCE,
    nonce: 'mine',
    writeId: '',
    owner: '',
    generation: record.generation === 0 ? 0 : 1,
    attempts: 1,
    recoveries: 0,
    openSends: Math.min(record.openSends, 2),
    leaseUntil: LEASED.includes(state) && record.leaseUntil > NOW ? NOW + LEASE : 0,
    firstSendAt: closed || record.firstSendAt === 0 ? 0 : record.firstSendAt === NOW ? NOW : NOW - WINDOW_MS,
    doubtAt: state !== 'in-doubt' && state !== 'recovering' ? 0 : record.doubtAt === NOW ? NOW : NOW - QUARANTINE,
    createdAt: 0,
    updatedAt: closed || record.updatedAt <= MARKED_AT ? record.updatedAt : NOW,
    input: 'input',
    outcome,
    error: undefined,
    reason: undefined,
    evidence: [],
    round: Math.min(record.round, 1),
    children: record.children.length === 0 ? [] : ['child'],
    delivered: false,
    closedBy: undefined,
  }
}

const textOf = (record: OperationRecord): string =>
  [
    record.state,
    record.openSends,
    record.leaseUntil,
    record.firstSendAt,
    record.doubtAt,
    record.updatedAt,
    record.generation,
    record.outcome?.sha256,
    record.children.length,
    record.round,
  ].join(' ')

const NEW_ATTEMPT: readonly string[] = ['T4', 'T10', 'T18']

function problemOf(
  record: OperationRecord | undefined,
  command: Command,
  decision: ReturnType<Decide>,
): string | undefined {
  if (!decision.ok) return undefined
  const { draft, event, transition } = decision
  if (event.from !== (record?.state ?? 'absent') || event.to !== (draft?.state ?? 'deleted'))
    return 'I13 history tells another story'
  if (draft === undefined) {
    return record !== undefined && OPEN_STATES.includes(record.state) ? `I10 ${record.state} was deleted` : undefined
  }
  if (event.fence !== draft.fence || event.nonce !== draft.nonce || event.openSends !== draft.openSends) {
    return 'I13 the history names another attempt'
  }
  if (record === undefined) return undefined
  if (draft.fence < record.fence) return 'I6 the fence fell'
  if (NEW_ATTEMPT.includes(transition) && draft.fence === record.fence) return `I6 ${transition} kept the fence`
  if ('fence' in command && command.fence < record.fence && transition !== 'T15') {
    return `I6 ${transition} by an attempt with a lower fence`
  }
  if (record.state === 'committed') {
    const { state } = draft
    if (state !== 'committed' && state !== 'compensating' && state !== 'expired') return `I5 committed became ${state}`
    if (state !== 'expired' && draft.outcome?.sha256 !== record.outcome?.sha256) return 'I5 a committed outcome changed'
  }
  return undefined
}

/** A ledger of canonical records around `decide`. */
export function createLedger(setup: Setup, decide: Decide, fenceRestarts: boolean): Ledger {
  const descriptor = descriptorOf(setup)
  const records: (OperationRecord | undefined)[] = [undefined]
  const ids = new Map<string, number>()
  const steps: Map<string, Step>[] = [new Map()]
  const ages: Map<string, number>[] = [new Map()]
  const taken = new Set<string>()
  const sequence = fenceRestarts ? FENCE : FENCE * 2

  const intern = (raw: OperationRecord): number => {
    const record = canonical(raw, descriptor)
    const text = textOf(record)
    const known = ids.get(text)
    if (known !== undefined) return known
    ids.set(text, records.length)
    steps.push(new Map())
    ages.push(new Map())
    return records.push(record) - 1
  }

  const relate = (relation: number, record: OperationRecord | undefined, next: OperationRecord): number => {
    if (relation === RELATION.none) return relation
    const before = attempt(relation).fence
    if (before < next.fence) return RELATION.older
    if (before > next.fence) return RELATION.ahead
    return relation === RELATION.own && record?.nonce === next.nonce ? RELATION.own : RELATION.other
  }

  const decideOnce = (id: number, command: Command): Step => {
    const record = records[id]
    const decision = decide(KEY, record, command, NOW)
    const same = [0, 1, 2, 3, 4]
    if (!decision.ok) {
      const { refusal } = decision
      return {
        ok: false,
        to: id,
        transition: undefined,
        refusal,
        relations: same,
        newKey: false,
        inserted: false,
        problem: undefined,
      }
    }
    const { transition, draft, event } = decision
    taken.add(`${transition} ${event.from}>${event.to}`)
    const problem = problemOf(record, command, decision)
    const inserted = record === undefined && draft !== undefined
    if (draft === undefined) {
      return { ok: true, to: 0, transition, refusal: undefined, relations: same, newKey: false, inserted, problem }
    }
    const next = stamp(draft, record, NOW, sequence)
    const relations = same.map((relation) => relate(relation, record, next))
    const newKey = next.generation > (record?.generation ?? 0)
    return { ok: true, to: intern(next), transition, refusal: undefined, relations, newKey, inserted, problem }
  }

  return {
    record: (id) => records[id],
    step: (id, name, build) => {
      const known = steps[id]?.get(name)
      if (known !== undefined) return known
      const step = decideOnce(id, build())
      steps[id]?.set(name, step)
      return step
    },
    age: (id, name, change) => {
      const known = ages[id]?.get(name)
      if (known !== undefined) return known
      const record = records[id]
      const to = record === undefined ? 0 : intern({ ...record, ...change(record) })
      ages[id]?.set(name, to)
      return to
    },
    size: () => records.length,
    transitions: () => [...taken].toSorted(),
  }
}
