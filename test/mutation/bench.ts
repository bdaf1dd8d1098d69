import { defineContract, type AnyToolOptions, type Contract, type ToolContext } from '../../src/contract/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import {
  createGuard,
  type EngineEvents,
  type EventName,
  type FaultPoint,
  type Guard,
  type GuardOptions,
  type OperationRecord,
  type ProtectedTool,
  type Settings,
  type Spool,
  type SpoolEntry,
  type Store,
  type StoreGuarantees,
  type Write,
} from '../../src/engine/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { tableIn, type Table } from './table.ts'
import { settle, virtualClock, type VirtualClock } from './virtual-clock.ts'

export type Verb = Exclude<keyof Store, 'name' | 'guarantees' | 'watch' | 'refuses'> | 'commit' | 'rollback'

/** What goes wrong on the way to the store and back; both are passed by every call. */
export interface Trouble {
  /** The request: what is thrown here never reached the store. */
  request: (verb: Verb, args: readonly unknown[]) => void | Promise<void>
  /** The answer: what is thrown here is a lost acknowledgement; what is returned replaces the answer. */
  answer: (verb: Verb, args: readonly unknown[], answer: unknown) => unknown
}

const VERBS: readonly Exclude<Verb, 'begin' | 'commit' | 'rollback'>[] = [
  'open', 'read', 'write', 'note', 'history', 'list', 'due', 'closed', 'stats', 'epoch', 'markAmnesia', 'putBlob',
  'getBlob', 'doctor', 'close',
] // prettier-ignore

/** A store of which every call can be lost, delayed or answered otherwise. */
export function troubled(
  store: Store,
  trouble: Trouble,
  guarantees: Partial<StoreGuarantees> = {},
  table?: Table,
): Store {
  const passed = async <T>(verb: Verb, args: readonly unknown[], call: () => Promise<T>): Promise<T> => {
    await trouble.request(verb, args)
    const answer = await call()
    return ((await trouble.answer(verb, args, answer)) ?? answer) as T
  }
  const wrapped: Record<string, unknown> = {
    name: store.name,
    guarantees: { ...store.guarantees, ...guarantees },
    watch: store.watch.bind(store),
  }
  for (const verb of VERBS) {
    wrapped[verb] = (...args: readonly unknown[]): unknown => {
      const call = (): unknown => (store[verb] as (...given: readonly unknown[]) => unknown)(...args)
      const answered = (answer: unknown): unknown => {
        const other = trouble.answer(verb, args, answer)
        return other === undefined ? answer : other
      }
      if (verb === 'read' && guarantees.localReads !== false) {
        const asked = trouble.request(verb, args)
        if (asked === undefined) return answered(call())
        return asked.then(call).then(answered)
      }
      return passed(verb, args, async () => await call())
    }
  }
  if (table !== undefined)
    wrapped['begin'] = () =>
      passed('begin', [], async () => {
        const transaction = await table.begin()
        const { handle, commit, rollback } = transaction
        return {
          handle,
          commit: (writes: readonly Write[]) => passed('commit', [writes], () => commit(writes)),
          rollback: () => passed('rollback', [], rollback),
        }
      })
  return wrapped as unknown as Store
}

/** A spool in memory. */
export interface BenchSpool extends Spool {
  readonly entries: SpoolEntry[]
  reserved: number[]
  full: boolean
  closed: boolean
}

function memorySpool(): BenchSpool {
  const spool: BenchSpool = {
    entries: [],
    reserved: [],
    full: false,
    closed: false,
    async reserve(bytes) {
      spool.reserved.push(bytes)
    },
    async append(entry) {
      if (spool.full) throw new Error('ENOSPC')
      spool.entries.push(entry)
    },
    async drain(apply) {
      let drained = 0
      for (const entry of spool.entries.slice()) {
        if (!(await apply(entry))) continue
        spool.entries.splice(spool.entries.indexOf(entry), 1)
        drained += 1
      }
      return drained
    },
    async close() {
      spool.closed = true
    },
  }
  return spool
}

/** What the downstream does with the next request for a reference. */
export type Fault =
  | 'ok'
  /** The effect happens, its answer does not arrive. */
  | 'lose-answer'
  | 'lose-request'
  /** A definitive refusal, mapped by the tools here to "none". */
  | 'refuse'
  /** The answer comes when {@link Downstream.release} lets it go; the effect happens at once. */
  | 'hold'
  | 'server-error'

export interface Downstream {
  /** Effects that happened: the number that everything is judged by. */
  effects(ref: string): number
  plan(ref: string, ...faults: readonly Fault[]): void
  release(ref: string): void
  /** Keys under which requests for a reference came. */
  keys(ref: string): readonly string[]
  readonly log: string[]
  send(input: OrderInput, context: Pick<ToolContext, 'downstreamKey' | 'checkpoint'>): Promise<Placed>
  find(ref: string): { found: true; value: Placed } | { found: false }
  honoursKeys: boolean
}

export interface OrderInput {
  readonly ref: string
  readonly amount?: number
  readonly note?: string
  readonly account?: string
}

export interface Placed {
  readonly id: number
  readonly ref: string
}

export const coded = (code: string | number, message = String(code)): Error =>
  Object.assign(new Error(message), { code })

function startDownstream(): Downstream {
  const effects = new Map<string, Placed[]>()
  const byKey = new Map<string, Placed>()
  const plans = new Map<string, Fault[]>()
  const held = new Map<string, (() => void)[]>()
  const keys = new Map<string, string[]>()
  const log: string[] = []
  const listOf = <V>(map: Map<string, V[]>, ref: string): V[] => {
    const list = map.get(ref) ?? []
    map.set(ref, list)
    return list
  }
  const downstream: Downstream = {
    honoursKeys: true,
    log,
    effects: (ref) => listOf(effects, ref).length,
    keys: (ref) => listOf(keys, ref),
    plan: (ref, ...faults) => void listOf(plans, ref).push(...faults),
    release: (ref) => {
      for (const go of listOf(held, ref).splice(0)) go()
    },
    find: (ref) => {
      const value = listOf(effects, ref)[0]
      return value === undefined ? { found: false } : { found: true, value }
    },
    async send(input, context) {
      context.checkpoint()
      const key = context.downstreamKey()
      const fault = listOf(plans, input.ref).shift() ?? 'ok'
      listOf(keys, input.ref).push(key)
      log.push(`${input.ref}:${fault}`)
      if (fault === 'lose-request') throw coded('ECONNRESET')
      if (fault === 'refuse') throw coded('DECLINED')
      const known = downstream.honoursKeys ? byKey.get(key) : undefined
      const placed = known ?? { id: listOf(effects, input.ref).length + 1, ref: input.ref }
      if (known === undefined) listOf(effects, input.ref).push(placed)
      byKey.set(key, placed)
      if (fault === 'lose-answer') throw coded('ECONNRESET')
      if (fault === 'server-error') throw coded(503)
      if (fault === 'hold') await new Promise<void>((resolve) => listOf(held, input.ref).push(resolve))
      return placed
    },
  }
  return downstream
}

export type Told = { readonly name: EventName } & Record<string, unknown>

/** One engine over one store, with everything that it touches in the test's hand. */
export interface Bench {
  readonly guard: Guard
  readonly store: Store
  readonly inner: Store
  readonly trouble: Trouble
  readonly time: VirtualClock
  readonly downstream: Downstream
  readonly spool: BenchSpool
  /** Where the guarantees say `transactions`: what transactional tools write. */
  readonly table: Table
  readonly events: Told[]
  readonly points: string[]
  readonly dead: Set<string>
  /** Set to stop or to stall at a fault point. */
  fault: (point: FaultPoint, key: string) => void | Promise<void>
  tool(options?: Partial<Record<string, unknown>>): ProtectedTool<OrderInput, Placed>
  record(tool: ProtectedTool<OrderInput, Placed>, input: OrderInput, options?: object): OperationRecord | undefined
  recordOf(key: string, tenant?: string): OperationRecord | undefined
  /** The transitions of an operation, as `T1' absent>executing`. */
  history(key: string, tenant?: string): Promise<readonly string[]>
  until<T>(work: Promise<T>): Promise<T>
}

export interface BenchOptions extends Partial<Omit<GuardOptions, 'settings' | 'spool'>> {
  readonly settings?: Partial<Settings>
  readonly guarantees?: Partial<StoreGuarantees>
  readonly spool?: false
  readonly self?: string
  /** Another engine on the same store and clock. */
  readonly beside?: Bench
}

export const anything = {
  '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value: value as OrderInput }) },
}

export const MAPPED = [{ match: 'DECLINED', effect: 'none' as const }]

let engines = 0

export function bench(options: BenchOptions = {}): Bench {
  const { beside, guarantees, settings, self = 'host/boot/1/1', spool: wantsSpool, ...given } = options
  const time = beside?.time ?? virtualClock()
  const inner = beside?.inner ?? memoryStore({ clock: () => time.storeMs() })
  const trouble: Trouble = { request: () => undefined, answer: () => undefined }
  const table = beside?.table ?? tableIn(inner)
  const store = troubled(inner, trouble, guarantees, guarantees?.transactions === true ? table : undefined)
  const downstream = beside?.downstream ?? startDownstream()
  const spool = memorySpool()
  const dead = new Set<string>()
  const events: Told[] = []
  const points: string[] = []
  const engine = (engines += 1)
  let names = 0
  const it = {
    fault: (): void | Promise<void> => undefined,
  } as { fault: Bench['fault'] }
  const guard = createGuard({
    store,
    allowVolatile: true,
    clock: time,
    ids: { nonce: () => `nonce-${engine}-${(names += 1)}`, runId: () => `run-${engine}-${(names += 1)}` },
    processes: { self, isDead: (owner) => dead.has(owner) },
    faults: (point, key) => {
      points.push(point)
      return it.fault(point, key)
    },
    ...(wantsSpool === false ? {} : { spool }),
    ...(settings === undefined ? {} : { settings }),
    ...given,
  })
  const names_: readonly EventName[] = [
    'transition', 'duplicate', 'doubt', 'alarm', 'aborted-after-commit', 'suspected-repeat', 'spooled', 'store',
  ] // prettier-ignore
  for (const name of names_)
    guard.on(name, (event: EngineEvents[EventName]) => {
      events.push({ name, ...event } as Told)
    })
  const recordOf = (key: string, tenant = 'default'): OperationRecord | undefined => {
    const reading = inner.read(key, tenant)
    if (reading instanceof Promise) throw new Error('a local store is expected')
    return reading.record
  }
  return Object.assign(it, {
    guard,
    store,
    inner,
    trouble,
    time,
    downstream,
    spool,
    table,
    events,
    points,
    dead,
    tool: (toolOptions: Partial<Record<string, unknown>> = {}) =>
      guard.tool({
        name: 'place_order',
        input: anything,
        effect: 'write',
        identity: ['ref'],
        ignore: ['note'],
        errors: MAPPED,
        recovery: { class: 'manual' },
        execute: (input: OrderInput, context: ToolContext) => downstream.send(input, context),
        ...toolOptions,
      } as never) as unknown as ProtectedTool<OrderInput, Placed>,
    record: (tool: ProtectedTool<OrderInput, Placed>, input: OrderInput, callOptions: object = {}) => {
      const op = guard.internals.name(tool.contract, input, callOptions)
      return recordOf(op.key, op.tenant)
    },
    recordOf,
    history: async (key: string, tenant = 'default') =>
      (await inner.history(key, tenant)).map(({ transition, from, to }) => `${transition} ${from}>${to}`),
    until: <T>(work: Promise<T>) => time.until(work),
  })
}

/** What a program sees of an error. */
export function facts(error: unknown): Record<string, unknown> {
  if (!(error instanceof OnefoldError)) return { thrown: error }
  const { code, effect, retryable, retryAfterMs, key, ticket, details } = error
  return { code, effect, retryable, retryAfterMs, key, ticket, details }
}

/** The error that `work` rejects with. */
export const refusalOf = (work: Promise<unknown>): Promise<OnefoldError> =>
  work.then(
    (value) => {
      throw new Error(`it resolved with ${JSON.stringify(value)}`)
    },
    (error: unknown) => error as OnefoldError,
  )

/** A contract of the smallest kind. */
export const contractOf = (options: Partial<Record<string, unknown>> = {}): Contract =>
  defineContract({
    name: 'place_order',
    input: anything,
    effect: 'write',
    identity: ['ref'],
    recovery: { class: 'manual' },
    execute: () => undefined,
    ...options,
  } as unknown as AnyToolOptions)

export const unavailable = (): OnefoldError => new OnefoldError('STORE_UNAVAILABLE', 'the store is away')

export { settle }

/** What the run `r` says of itself after `work`, whatever that came to. */
export const receiptOf = (b: Bench, work: () => Promise<unknown>) =>
  b.until(
    b.guard.run({ id: 'r' }, async (run) => {
      await work().catch(() => undefined)
      return await run.receipt()
    }),
  )
