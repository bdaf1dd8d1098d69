import type { Draft, HistoryEvent, OperationRecord, State, Write } from '../../engine/index.ts'
import { OPEN_STATES, unknownState } from '../../engine/index.ts'
import { fromMember, fromWord, memberOf, runWord } from './names.ts'

type Place = HistoryEvent['from'] | HistoryEvent['to']

/**
 * States as they lie in a record's head. The numbers are for ever; `scan.lua.ts` knows those of accepted and in-doubt,
 * `write.lua.ts` and `blob.lua.ts` that of expired.
 */
const NUMBERS: Readonly<Record<Place, number>> = {
  deleted: 0,
  claimed: 1,
  executing: 2,
  'awaiting-input': 3,
  accepted: 4,
  'in-doubt': 5,
  recovering: 6,
  compensating: 7,
  committed: 8,
  rejected: 9,
  released: 10,
  compensated: 11,
  abandoned: 12,
  expired: 13,
  superseded: 14,
  absent: 15,
}
const PLACES = new Map(Object.entries(NUMBERS).map(([place, number]) => [String(number), place as Place]))
const OPEN: ReadonlySet<Place> = new Set(OPEN_STATES)

export const numberOf = (state: State): number => NUMBERS[state]

/** What stands under a number, for people: also what this version does not know. */
export const nameOf = (number: string): string => PLACES.get(number) ?? `number ${number}`

/** @throws OnefoldError STORE_UNSAFE for a number that is no state of a record here: unknown states fail closed */
function stateOf(number: string, key: string): State {
  const place = PLACES.get(number)
  if (place === undefined || place === 'absent' || place === 'deleted') throw unknownState(key, nameOf(number))
  return place
}

/** One write on its way to `write.lua.ts`. */
export interface Item {
  readonly member: string
  /** Four arguments of the script. */
  readonly args: readonly [member: string, head: string, rest: string, event: string]
  readonly bytes: number
  /** False for tools whose effect a fail-over could repeat if the record were not on every replica. */
  readonly resendable: boolean
}

/** A moment as it lies in a head: `n` for that of the step that wrote it. */
const moment = (at: number | 'now'): string => (at === 'now' ? 'n' : String(at))
const momentOf = (text: string, updatedAt: number): number => (text === 'n' ? updatedAt : Number(text))

export function itemOf({ key, tenant, expect, draft, event }: Write): Item {
  const member = memberOf(key, tenant)
  const end = eventText(event)
  if (draft === undefined) {
    const head = `${expect} 0 0 0 - 0 0 ${event.fence}`
    return { member, args: [member, head, '', end], bytes: head.length, resendable: true }
  }
  const head = `${expect} ${expect + 1} ${NUMBERS[draft.state]} ${OPEN.has(draft.state) ? 1 : 0} ${runWord(draft.run)} ${draft.leaseMs ?? 'k'} ${draft.fence} ${event.fence}`
  const rest = `${moment(draft.firstSendAt)} ${moment(draft.doubtAt)} ${moment(draft.createdAt)}\n${bodyText(draft)}`
  return {
    member,
    args: [member, head, rest, end],
    bytes: head.length + rest.length + end.length,
    resendable: draft.recovery === 'keyed' || draft.recovery === 'idempotent' || draft.recovery === 'composite',
  }
}

/** What no script asks for, in a fixed order. JSON writes NUL and lone surrogates as escapes, so any text survives. */
function bodyText(draft: Draft): string {
  return JSON.stringify([
    draft.tool,
    draft.nonce,
    draft.writeId,
    draft.owner,
    draft.major,
    draft.recovery,
    draft.fingerprint,
    draft.occurrence,
    draft.session,
    draft.call,
    draft.parent,
    draft.retentionMs,
    draft.retryHorizonMs,
    draft.amount,
    draft.unanchored,
    draft.checked,
    draft.generation,
    draft.attempts,
    draft.recoveries,
    draft.openSends,
    draft.input,
    draft.outcome,
    draft.error,
    draft.reason,
    draft.evidence,
    draft.round,
    draft.children,
    draft.delivered,
    draft.closedBy,
    // Nearly no record has it.
    ...(draft.quarantineMs === undefined ? [] : [draft.quarantineMs]),
  ])
}

type Body = [
  tool: string,
  nonce: string,
  writeId: string,
  owner: string,
  major: number,
  recovery: OperationRecord['recovery'],
  fingerprint: string,
  occurrence: number,
  session: string | null,
  call: string | null,
  parent: OperationRecord['parent'] | null,
  retentionMs: number,
  retryHorizonMs: number,
  amount: number | null,
  unanchored: boolean,
  checked: boolean,
  generation: number,
  attempts: number,
  recoveries: number,
  openSends: number,
  input: string | null,
  outcome: OperationRecord['outcome'] | null,
  error: OperationRecord['error'] | null,
  reason: OperationRecord['reason'] | null,
  evidence: OperationRecord['evidence'],
  round: number,
  children: readonly string[],
  delivered: boolean,
  closedBy: OperationRecord['closedBy'] | null,
  quarantineMs?: number,
]

/** A record as it is stored, read back. @throws OnefoldError STORE_UNSAFE for a state that this version does not know */
export function recordOf(key: string, tenant: string, stored: string): OperationRecord {
  const end = stored.indexOf('\n')
  const [revision, , state, , run, lease, updated, fence, first, doubt, created] = stored.slice(0, end).split(' ') as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  const updatedAt = Number(updated)
  const body = JSON.parse(stored.slice(end + 1)) as Body
  return {
    tenant,
    tool: body[0],
    major: body[4],
    recovery: body[5],
    fingerprint: body[6],
    occurrence: body[7],
    run: run === '-' ? undefined : fromWord(run.slice(1)),
    session: body[8] ?? undefined,
    call: body[9] ?? undefined,
    parent: body[10] ?? undefined,
    retentionMs: body[11],
    retryHorizonMs: body[12],
    amount: body[13] ?? undefined,
    unanchored: body[14],
    checked: body[15],
    key,
    state: stateOf(state, key),
    revision: Number(revision),
    fence: Number(fence),
    nonce: body[1],
    writeId: body[2],
    owner: body[3],
    generation: body[16],
    attempts: body[17],
    recoveries: body[18],
    openSends: body[19],
    leaseUntil: Number(lease),
    firstSendAt: momentOf(first, updatedAt),
    doubtAt: momentOf(doubt, updatedAt),
    createdAt: momentOf(created, updatedAt),
    updatedAt,
    input: body[20] ?? undefined,
    outcome: body[21] ?? undefined,
    error: body[22] ?? undefined,
    reason: body[23] ?? undefined,
    evidence: body[24],
    round: body[25],
    children: body[26],
    delivered: body[27],
    closedBy: body[28] ?? undefined,
    quarantineMs: body[29],
  }
}

/** A record of an index. */
export function recordAt(member: string, stored: string): OperationRecord {
  const { key, tenant } = fromMember(member)
  return recordOf(key, tenant, stored)
}

/** Place of recording, which pages are cut by. */
export const placeOf = (stored: string): number => Number(stored.split(' ', 2)[1])

/** The end of an event's JSON array; the script writes number, time and fence before it. */
export const eventText = (event: Omit<HistoryEvent, 'at'>): string =>
  JSON.stringify([event.transition, event.from, event.to, event.nonce, event.who, event.openSends, event.why]).slice(1)

type EventLine = [
  number: number,
  at: number,
  fence: number,
  transition: string,
  from: HistoryEvent['from'],
  to: HistoryEvent['to'],
  nonce: string,
  who: string,
  openSends: number,
  why: string | null,
]

/** The events of a record and of its list, oldest first; a step that was cut off may have left one in both. */
export function eventsOf([record, ...moved]: readonly string[]): HistoryEvent[] {
  const lines = [...moved.flatMap((text) => text.split('\n')), ...(record ?? '').split('\n').slice(2)]
  const events = new Map<number, HistoryEvent>()
  for (const line of lines) {
    if (line === '') continue
    const [number, at, fence, transition, from, to, nonce, who, openSends, why] = JSON.parse(line) as EventLine
    const event = { at, transition, from, to, fence, nonce, who, ...(why === null ? {} : { why }), openSends }
    events.set(number, event)
  }
  return Array.from(events)
    .toSorted(([one], [other]) => one - other)
    .map(([, event]) => event)
}
