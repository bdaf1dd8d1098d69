import { knownOptions, type NamesOf } from '../contract/index.ts'
import { downstreamKey, KEY_SHAPES, type KeyForm } from '../key/index.ts'
import { thaw } from './frozen.ts'
import type { Journal } from './journal.ts'
import { ticketOf } from './operation.ts'
import { unseal } from './outcome.ts'
import { stateBefore, type OperationRecord, type State } from './record.ts'
import type { ListPage, ListQuery } from './store.ts'
import { assertWhole } from './unreadable.ts'

/** One effect as the downstream's own list has it: any JSON; what identifies it is said by {@link ReconcileOptions.item}. */
export type DownstreamItem = unknown

/** How the two lists are compared. */
export interface ReconcileOptions {
  /** Compares one tool: a list of refunds says nothing about mails. */
  readonly tool: string
  /** What names an item; undefined for one that cannot be compared. @default its `idempotency_key`, `idempotencyKey` or `key`, there or in its `metadata` */
  readonly item?: (item: DownstreamItem) => string | undefined
  /**
   * What the downstream may call an operation. @default the operation's key and ticket, and in every provider's form
   * `ctx.downstreamKey()` and the keys of {@link request}
   */
  readonly operation?: (operation: ReconcileOperation) => readonly (string | undefined)[]
  /**
   * The request of an operation, where `ctx.fetch` made its key: method and path, as `POST /v1/refunds`. @default none
   */
  readonly request?: (operation: ReconcileOperation) => string | undefined
  /** Only operations recorded from this time on (the store's clock, milliseconds). @default all */
  readonly since?: number
  /** Only operations recorded before this time. @default all */
  readonly until?: number
  readonly signal?: AbortSignal
  /** Told how many operations have been looked at. */
  readonly progress?: (looked: number) => void
}

const OPTIONS: NamesOf<ReconcileOptions> = {
  tool: true,
  item: true,
  operation: true,
  request: true,
  since: 'number',
  until: 'number',
  signal: true,
  progress: true,
}

/** An operation as it is compared. */
export interface ReconcileOperation {
  readonly record: OperationRecord
  /** The frozen arguments; undefined after retention. */
  readonly input: unknown
  /** The recorded answer; undefined where there is none. */
  readonly result: unknown
}

/** One operation of the ledger, in a difference. */
export interface ReconcileEntry {
  readonly key: string
  readonly ticket: string
  readonly tenant: string
  readonly tool: string
  readonly state: State
  /** When it was recorded, store clock. */
  readonly at: number
}

/** Where the ledger and the downstream's own list differ (IN-16). */
export interface Reconciliation {
  /** Operations that are done on both sides, once. */
  readonly agreed: number
  /** Done, says the ledger; the list does not have it. */
  readonly missing: readonly ReconcileEntry[]
  /** Nothing happened, says the ledger; the list has it. */
  readonly unrecorded: readonly (ReconcileEntry & { readonly name: string })[]
  /** The list has it more than once. */
  readonly repeated: readonly (ReconcileEntry & { readonly name: string; readonly times: number })[]
  /** In doubt; the list has it: it happened. */
  readonly doubtsThatHappened: readonly (ReconcileEntry & { readonly name: string })[]
  /** In doubt; the list does not have it (yet). */
  readonly doubtsNotListed: readonly ReconcileEntry[]
  /** In the list, and of no operation in this ledger. */
  readonly unknown: readonly { readonly name: string; readonly times: number }[]
  /** Items of the list that nothing names. */
  readonly unnamed: number
  /** Operations, done or in doubt, that nothing names any more: what `operation` reads was erased, or never recorded. */
  readonly nameless: number
}

const DONE: readonly State[] = ['committed', 'accepted']
const DOUBTFUL: readonly State[] = ['in-doubt', 'recovering', 'abandoned']
const NOTHING: readonly State[] = ['released', 'rejected']
const TOLD_OF: readonly State[] = [...DONE, ...DOUBTFUL]

/**
 * Compares operations with a downstream's own list. Changes nothing: what it finds is settled by a person, or by
 * recovery. Operations that are still running are left out, since either side may be ahead.
 */
export async function reconcileWith(
  journal: Journal,
  list: (query: Partial<ListQuery>) => Promise<ListPage>,
  items: Iterable<DownstreamItem> | AsyncIterable<DownstreamItem>,
  options: ReconcileOptions,
): Promise<Reconciliation> {
  const { item = nameOfItem, request } = knownOptions('ledger.reconcile', options, OPTIONS)
  const operation = options.operation ?? ((one: ReconcileOperation) => namesOf(one, [request?.(one) ?? []].flat()))
  const times = new Map<string, number>()
  let unnamed = 0
  for await (const one of items) {
    options.signal?.throwIfAborted()
    const name = item(one)
    if (name === undefined) unnamed += 1
    else times.set(name, (times.get(name) ?? 0) + 1)
  }
  const groups = new Map<string, Member[]>()
  const met = new Set<string>()
  const found = emptyFindings()
  let agreed = 0
  let nameless = 0
  let looked = 0
  let after: string | undefined
  do {
    options.signal?.throwIfAborted()
    const page = await list({ tool: options.tool, ...(after === undefined ? {} : { after }) })
    assertWhole(page)
    for (const record of page.records) {
      looked += 1
      const names = operation(await operationOf(journal, record)).filter((name) => name !== undefined)
      const there = new Set(names.filter((name) => times.has(name)))
      for (const name of there) met.add(name)
      const member = { entry: entryOf(record), state: stateBefore(record), within: isWithin(record, options) }
      const [name] = there
      if (names.length === 0) nameless += member.within && TOLD_OF.includes(member.state) ? 1 : 0
      else if (name === undefined) notListed(member, found)
      else groupOf(name, groups).push({ ...member, items: countOf(there, times) })
    }
    options.progress?.(looked)
    after = page.next
  } while (after !== undefined)
  for (const [name, members] of groups) agreed += judge(name, members, found)
  const unknown = Array.from(times, ([name, count]) => ({ name, times: count })).filter(({ name }) => !met.has(name))
  return { agreed, ...found, unknown, unnamed, nameless }
}

interface Findings {
  readonly missing: ReconcileEntry[]
  readonly unrecorded: (ReconcileEntry & { name: string })[]
  readonly repeated: (ReconcileEntry & { name: string; times: number })[]
  readonly doubtsThatHappened: (ReconcileEntry & { name: string })[]
  readonly doubtsNotListed: ReconcileEntry[]
}

const emptyFindings = (): Findings => ({
  missing: [],
  unrecorded: [],
  repeated: [],
  doubtsThatHappened: [],
  doubtsNotListed: [],
})

/** An operation, as the items that bear one of its names see it. */
interface Member {
  readonly entry: ReconcileEntry
  readonly state: State
  /** Within the times that are compared. */
  readonly within: boolean
  /** How many items bear one of its names. */
  readonly items: number
}

function groupOf(name: string, groups: Map<string, Member[]>): Member[] {
  const group = groups.get(name) ?? []
  groups.set(name, group)
  return group
}

const countOf = (names: ReadonlySet<string>, times: ReadonlyMap<string, number>): number =>
  Array.from(names).reduce((sum, name) => sum + (times.get(name) as number), 0)

function notListed({ entry, state, within }: Omit<Member, 'items'>, found: Findings): void {
  if (!within) return
  if (DONE.includes(state)) found.missing.push(entry)
  else if (DOUBTFUL.includes(state)) found.doubtsNotListed.push(entry)
}

/** Who has an item before whom. */
const TAKING: readonly ((state: State) => boolean)[] = [
  (state) => DONE.includes(state),
  (state) => DOUBTFUL.includes(state),
  (state) => ![...TOLD_OF, ...NOTHING].includes(state),
  (state) => NOTHING.includes(state),
]

/**
 * Operations that share a name share its items: what is done takes one each, then what is in doubt, then what runs or was
 * undone, then what seems not to have happened; those within the times that are compared first, the oldest first. So two
 * wanted orders of one cart are no repeat, and a refused attempt before a good one has no item of its own. Answers how
 * many agree.
 */
function judge(name: string, members: readonly Member[], found: Findings): number {
  const items = Math.max(...members.map((member) => member.items))
  const wanting = TAKING.flatMap((takes) => {
    const alike = members.filter(({ state }) => takes(state))
    return [...alike.filter(({ within }) => within), ...alike.filter(({ within }) => !within)]
  })
  const listed = wanting.slice(0, items)
  for (const member of wanting.slice(items)) notListed(member, found)
  const last = items > listed.length ? listed.at(-1) : undefined
  let agreed = 0
  for (const member of listed) {
    const { entry, state, within } = member
    if (!within) continue
    if (member === last) found.repeated.push({ ...entry, name, times: items })
    else if (DONE.includes(state)) agreed += 1
    if (DOUBTFUL.includes(state)) found.doubtsThatHappened.push({ ...entry, name })
    if (NOTHING.includes(state)) found.unrecorded.push({ ...entry, name })
  }
  return agreed
}

const isWithin = ({ createdAt }: OperationRecord, { since = -Infinity, until = Infinity }: ReconcileOptions): boolean =>
  createdAt >= since && createdAt < until

const entryOf = ({ key, tenant, tool, state, createdAt }: OperationRecord): ReconcileEntry => ({
  key,
  ticket: ticketOf(key),
  tenant,
  tool,
  state,
  at: createdAt,
})

async function operationOf(journal: Journal, record: OperationRecord): Promise<ReconcileOperation> {
  const result = record.outcome === undefined ? undefined : await unseal(record.outcome, record, journal)
  return {
    record,
    input: parsed(record.input),
    result: result?.found === true ? result.value : undefined,
  }
}

function parsed(text: string | undefined): unknown {
  try {
    return thaw(text as string)
  } catch {
    return undefined
  }
}

const NAMES = ['idempotency_key', 'idempotencyKey', 'idempotency-key', 'key']

/** What names an item where nobody says it: {@link ReconcileOptions.item}. */
export function nameOfItem(item: DownstreamItem): string | undefined {
  if (typeof item === 'string') return item
  const { metadata } = (item ?? {}) as { metadata?: unknown }
  for (const place of [item, metadata]) {
    if (typeof place !== 'object' || place === null) continue
    for (const name of NAMES) {
      const value = (place as Record<string, unknown>)[name]
      if (typeof value === 'string') return value
    }
  }
  return undefined
}

/** One provider for every form of keys. */
const PROVIDERS = Object.entries(KEY_SHAPES).reduce(
  (found, [name, { form }]) => (form === 'none' || found.has(form) ? found : found.set(form, name)),
  new Map<KeyForm, string>(),
)

function namesOf({ record }: ReconcileOperation, requests: readonly string[]): readonly string[] {
  const names = new Set([record.key, ticketOf(record.key)])
  for (let generation = 0; generation <= record.generation; generation += 1) {
    for (const operation of ['', ...requests]) {
      for (const provider of PROVIDERS.values())
        names.add(downstreamKey({ key: record.key, provider, operation, generation }))
    }
  }
  return [...names]
}
