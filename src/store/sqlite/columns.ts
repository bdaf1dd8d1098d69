import type { Descriptor, Draft, OperationRecord } from '../../engine/index.ts'
import { keyFromColumn } from './key-column.ts'
import { numberOf, stateOf } from './states.ts'
import { fromColumn, toColumn } from './text.ts'

export type Value = string | number | Uint8Array | null

/** Finds the text behind what stands in a column that refers to the table `names`. */
export type NameOf = (column: Value | undefined) => string

/** The columns of `records` in the order in which rows are read and inserted. */
export const COLUMNS = `id, key, tenant, tool, state, revision, fence, nonce, write_id, owner, generation, attempts, recoveries,
  open_sends, lease_until, first_send_at, doubt_at, created_at, updated_at, round, delivered, reason, run, descriptor,
  input, outcome, error, rest`

/** A row of `records` as `setReturnArrays(true)` gives it, in the order of {@link COLUMNS}. */
export type Row = readonly Value[]

/**
 * A draft on its way to the worker: text and numbers only, since structured clone copies those cheapest.
 * `now` travels as {@link NOW}; a lease that is to stay as it is travels as null.
 */
export type DraftColumns = readonly [
  tool: string,
  state: number,
  fence: number,
  nonce: string,
  writeId: string,
  owner: string,
  generation: number,
  attempts: number,
  recoveries: number,
  openSends: number,
  leaseMs: number | null,
  firstSendAt: number,
  doubtAt: number,
  createdAt: number,
  round: number,
  delivered: number,
  reason: string | null,
  run: string | null,
  descriptor: string,
  input: string | null,
  outcome: string | null,
  error: string | null,
  rest: string | null,
]

/** Places in {@link Row} that refer to the table `names`. */
export const NAME_PLACES = [2, 3, 9] as const

/** For rows whose names the worker has already filled in. */
export const filledIn: NameOf = (column) => column as string

/** Stands for `now` in {@link DraftColumns}; no store time is negative. */
export const NOW = -1

const moment = (at: number | 'now'): number => (at === 'now' ? NOW : at)

/** The part of a record that hardly ever changes, as compact text. */
function descriptorText(from: Descriptor): string {
  return JSON.stringify([
    from.major,
    from.recovery,
    from.fingerprint,
    from.occurrence,
    from.session,
    from.call,
    from.parent,
    from.retentionMs,
    from.retryHorizonMs,
    from.amount,
    from.unanchored,
    from.checked,
    // Nearly no record has it.
    ...(from.quarantineMs === undefined ? [] : [from.quarantineMs]),
  ])
}

/** What is empty for nearly every record: evidence, children, and who closed a doubt. */
function restText(draft: Pick<Draft, 'evidence' | 'children' | 'closedBy'>): string | null {
  if (draft.evidence.length === 0 && draft.children.length === 0 && draft.closedBy === undefined) return null
  return JSON.stringify([draft.evidence, draft.children, draft.closedBy])
}

export function toDraftColumns(draft: Draft): DraftColumns {
  return [
    draft.tool,
    numberOf(draft.state),
    draft.fence,
    toColumn(draft.nonce),
    toColumn(draft.writeId),
    draft.owner,
    draft.generation,
    draft.attempts,
    draft.recoveries,
    draft.openSends,
    draft.leaseMs ?? null,
    moment(draft.firstSendAt),
    moment(draft.doubtAt),
    moment(draft.createdAt),
    draft.round,
    draft.delivered ? 1 : 0,
    draft.reason ?? null,
    draft.run === undefined ? null : toColumn(draft.run),
    descriptorText(draft),
    draft.input === undefined ? null : toColumn(draft.input),
    draft.outcome === undefined ? null : JSON.stringify(draft.outcome),
    draft.error === undefined ? null : JSON.stringify(draft.error),
    restText(draft),
  ]
}

type DescriptorParts = [
  number,
  OperationRecord['recovery'],
  string,
  number,
  string | null,
  string | null,
  OperationRecord['parent'] | null,
  number,
  number,
  number | null,
  boolean,
  boolean,
  number?,
]

type RestParts = [OperationRecord['evidence'], OperationRecord['children'], OperationRecord['closedBy'] | null]

const text = (value: Value | undefined): string => fromColumn(value as string)

/** The record of a row. @throws OnefoldError STORE_UNSAFE for a state that this version does not know */
export function recordOf(row: Row, nameOf: NameOf): OperationRecord {
  const descriptor = JSON.parse(row[23] as string) as DescriptorParts
  const rest = row[27] === null ? undefined : (JSON.parse(row[27] as string) as RestParts)
  const key = keyFromColumn(row[1] as Uint8Array)
  return {
    key,
    tenant: nameOf(row[2]),
    tool: nameOf(row[3]),
    major: descriptor[0],
    recovery: descriptor[1],
    fingerprint: descriptor[2],
    occurrence: descriptor[3],
    run: row[22] === null ? undefined : text(row[22]),
    session: descriptor[4] ?? undefined,
    call: descriptor[5] ?? undefined,
    parent: descriptor[6] ?? undefined,
    retentionMs: descriptor[7],
    retryHorizonMs: descriptor[8],
    amount: descriptor[9] ?? undefined,
    unanchored: descriptor[10],
    checked: descriptor[11],
    quarantineMs: descriptor[12],
    state: stateOf(row[4] as number, key),
    revision: row[5] as number,
    fence: row[6] as number,
    nonce: text(row[7]),
    writeId: text(row[8]),
    owner: nameOf(row[9]),
    generation: row[10] as number,
    attempts: row[11] as number,
    recoveries: row[12] as number,
    openSends: row[13] as number,
    leaseUntil: row[14] as number,
    firstSendAt: row[15] as number,
    doubtAt: row[16] as number,
    createdAt: row[17] as number,
    updatedAt: row[18] as number,
    round: row[19] as number,
    delivered: row[20] === 1,
    reason: (row[21] as OperationRecord['reason'] | null) ?? undefined,
    input: row[24] === null ? undefined : text(row[24]),
    outcome: row[25] === null ? undefined : (JSON.parse(row[25] as string) as OperationRecord['outcome']),
    error: row[26] === null ? undefined : (JSON.parse(row[26] as string) as OperationRecord['error']),
    evidence: rest?.[0] ?? [],
    children: rest?.[1] ?? [],
    closedBy: rest?.[2] ?? undefined,
  }
}
