import {
  STATES,
  unknownState,
  type Draft,
  type HistoryEvent,
  type OperationRecord,
  type State,
  type Write,
} from '../../engine/index.ts'
import { fromColumn, toColumn } from './text.ts'

/** A row as a client gives it, by column name. */
export type Row = Readonly<Record<string, unknown>>

/**
 * What is read of `records`. Numbers come as double precision: every client makes plain numbers of those, and none of
 * ours is beyond 2^53.
 */
export const COLUMNS = `id::float8 AS id, key, tenant, tool, run, state, revision::float8 AS revision,
  fence::float8 AS fence, lease_until::float8 AS lease_until, first_send_at::float8 AS first_send_at,
  doubt_at::float8 AS doubt_at, created_at::float8 AS created_at, updated_at::float8 AS updated_at, body`

/** The store's clock in whole milliseconds; `now()` would stand still within a transaction. */
export const NOW = 'floor(extract(epoch FROM clock_timestamp()) * 1000)'

/** Stands for "the store's now" in a {@link Item}. */
const ASK_NOW = -1

/** One write on its way to the function `write`. */
export interface Item {
  readonly key: string
  readonly tenant: string
  readonly tool: string | null
  readonly run: string | null
  readonly state: State | null
  /** Null deletes. */
  readonly body: string | null
  readonly event: string
  readonly expect: number
  readonly fence: number
  /** -1 keeps the lease that is. */
  readonly lease: number
  readonly first_send: number
  readonly doubt: number
  readonly created: number
  readonly event_fence: number
  /** 1 when whoever waits for the key is to be told. */
  readonly tell: 0 | 1
}

const moment = (at: number | 'now'): number => (at === 'now' ? ASK_NOW : at)

const KEEP_LEASE = -1

export function itemOf(write: Write): Item {
  const { draft, event } = write
  return {
    key: toColumn(write.key),
    tenant: toColumn(write.tenant),
    tool: draft === undefined ? null : toColumn(draft.tool),
    run: draft?.run === undefined ? null : toColumn(draft.run),
    state: draft?.state ?? null,
    body: draft === undefined ? null : bodyText(draft),
    event: eventText(event),
    expect: write.expect,
    fence: draft?.fence ?? 0,
    lease: draft?.leaseMs ?? KEEP_LEASE,
    first_send: moment(draft?.firstSendAt ?? 0),
    doubt: moment(draft?.doubtAt ?? 0),
    created: moment(draft?.createdAt ?? 0),
    event_fence: event.fence,
    tell: event.transition === 'heartbeat' ? 0 : 1,
  }
}

/** Everything that no query asks for. JSON writes NUL and lone surrogates as escapes, so the column takes any text. */
function bodyText(draft: Draft): string {
  const { key: _key, tenant: _tenant, tool: _tool, run: _run, state: _state, ...more } = draft
  const { fence: _fence, leaseMs: _lease, firstSendAt: _first, doubtAt: _doubt, createdAt: _created, ...body } = more
  return JSON.stringify(body)
}

/** The end of an event's JSON array; the server writes number, time and fence before it. */
const eventText = (event: Omit<HistoryEvent, 'at'>): string =>
  JSON.stringify([
    event.transition,
    event.from,
    event.to,
    event.nonce,
    event.who,
    event.openSends,
    ...(event.why === undefined ? [] : [event.why]),
  ]).slice(1)

export const noteText: typeof eventText = eventText

type EventLine = [
  n: number,
  at: number,
  fence: number,
  transition: string,
  from: HistoryEvent['from'],
  to: HistoryEvent['to'],
  nonce: string,
  who: string,
  openSends: number,
  why?: string,
]

/** Events in the order in which they happened; `lines` are JSON arrays. */
export function eventsOf(lines: readonly string[]): HistoryEvent[] {
  const events = lines.map((line) => JSON.parse(line) as EventLine)
  return events
    .toSorted((one, other) => one[0] - other[0])
    .map(([, at, fence, transition, from, to, nonce, who, openSends, why]) => ({
      at,
      transition,
      from,
      to,
      fence,
      nonce,
      who,
      ...(why === undefined ? {} : { why }),
      openSends,
    }))
}

const number = (value: unknown): number => Number(value)

/** The record of a row. @throws OnefoldError STORE_UNSAFE for a state that this version does not know */
export function recordOf(row: Row): OperationRecord {
  const state = row['state'] as State
  const key = fromColumn(row['key'] as string)
  if (!STATES.includes(state)) throw unknownState(key, state)
  const run = row['run'] as string | null
  return {
    ...(JSON.parse(row['body'] as string) as OperationRecord),
    key,
    tenant: fromColumn(row['tenant'] as string),
    tool: fromColumn(row['tool'] as string),
    run: run === null ? undefined : fromColumn(run),
    state,
    revision: number(row['revision']),
    fence: number(row['fence']),
    leaseUntil: number(row['lease_until']),
    firstSendAt: number(row['first_send_at']),
    doubtAt: number(row['doubt_at']),
    createdAt: number(row['created_at']),
    updatedAt: number(row['updated_at']),
  }
}
