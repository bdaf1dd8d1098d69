import { AssertionError } from 'node:assert'
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { knownOptions, type Contract, type NamesOf } from '../contract/index.ts'
import type { FaultPoint, Guard, PerformOptions, ProtectedTool, Store } from '../engine/index.ts'
import { OnefoldError } from '../error/index.ts'
import { memoryStore } from '../store/memory/index.ts'
import { connectionReset } from './chaos/disturb.ts'
import { mortalClock, mortalStore, QUICK_SETTINGS, settingsFor, type Mortal } from './chaos/life-guard.ts'
import { settleGuards, type Settlement } from './chaos/settle-guards.ts'
import { stateText } from './chaos/state-text.ts'
import { sideBySide } from './chaos/side-by-side.ts'
import { reworded } from './reworded.ts'

/** What `verifyTool` is given. */
export interface VerifyOptions<Input> {
  /**
   * The call. A function makes a fresh operation for each check: put `unique` into an identity field. A plain input is
   * called under a further occurrence for each check; `state` is then a number, or there is a `reset`.
   */
  readonly input: Input | ((unique: string) => Input)
  /**
   * The end state at the downstream, as JSON data: most simply, how many effects of this input there are. What comes
   * later than the tool's answer it has to wait for.
   */
  readonly state: (input: Input) => unknown
  /** Puts the downstream back before each check. */
  readonly reset?: () => Promise<void> | void
  /** The ledger of the trial. @default one in memory; a composite tool's own, since its parts are recorded there */
  readonly store?: Store
}

const NAMES: NamesOf<VerifyOptions<never>> = { input: true, state: true, reset: true, store: true }

/** One way of repeating a call, and what it came to. */
export interface VerifyCheck {
  readonly name: string
  readonly ok: boolean
  readonly expected: unknown
  readonly actual: unknown
}

/** A tool of any kind: what protects it is not looked at, only what it does. */
export type AnyTool<Input> = (input: Input) => unknown

const CALLERS = 16
const SETTLE_MS = 10_000
/** For what may well be left in doubt: a look-up that says "unknown" is asked again and again until then. */
const QUICK_SETTLE_MS = 3_000
/** Nobody waits for the lease of a process that lives; a tool may keep it from its heartbeats for as long as it computes. */
const SURVIVOR_LEASE_MS = 30_000

/** No two trials meet, also not those of another copy of this module in the same process, as test runners make them. */
const token = randomBytes(4).toString('hex')
let tools = 0

/**
 * Calls a tool as retries do: twice, sixteen times at once, with a lost answer, with a crash before the effect and one
 * between effect and record, in other words. After each, the end state must be that of a single call. A protected tool is tested
 * by guards of the kit's own, with short times; of a plain function only repeats can be tested.
 * @throws AssertionError naming each check that failed, with both end states
 * @throws OnefoldError INPUT_INVALID when the checks could not be told apart, `state` does not see a single call, or two
 * single calls differ in it
 */
export async function verifyTool<Input>(
  tool: ProtectedTool<Input, unknown> | AnyTool<Input>,
  options: VerifyOptions<Input>,
): Promise<readonly VerifyCheck[]> {
  knownOptions<object>('verifyTool', options, NAMES)
  if (typeof (options.state as unknown) !== 'function' || (options.input as unknown) === undefined)
    throw new OnefoldError(
      'CONFIG_INVALID',
      'verifyTool needs input: (unique) => … and state: (input) => …, which says what the downstream’s own books hold. Nothing was called.',
    )
  const name = 'contract' in tool ? tool.contract.name : tool.name || 'the tool'
  const trial = trialOf(tool, options, `vt${token}x${(++tools).toString(36)}`)
  const once: Act<Input> = async ({ call, input }) => void (await call(input))
  const single = await trial('called once', once)
  const expected = single.state
  if (typeof options.input === 'function' || options.reset !== undefined)
    refuseUnsteady(expected, (await trial('called once', once)).state)
  const looks: (readonly [name: string, looked: Looked])[] = []
  for await (const [check, act] of checksOf(tool, options)) {
    const looked = await trial(check, act)
    if (!looked.left) looks.push([check, looked])
  }
  const checks: VerifyCheck[] = []
  // Looked at anew: an effect may come after its answer.
  const settled = single.again === undefined ? undefined : await single.again()
  for (const [check, { state, again }] of looks) {
    const late = again === undefined ? settled : await again()
    const ended = isDeepStrictEqual(state, expected)
    const ok = ended && isDeepStrictEqual(late, settled)
    checks.push({
      name: check,
      ok,
      expected: ended ? (settled ?? expected) : expected,
      actual: ended ? (late ?? state) : state,
    })
  }
  const failed = checks.filter(({ ok }) => !ok)
  if (failed.length === 0) return checks
  throw new AssertionError({
    message: `${name} is not safe to retry:\n${failed
      .map((one) => `\n${one.name}\n${sideBySide(['called once', one.name], one.expected, one.actual)}`)
      .join('\n')}`,
    expected,
    actual: failed[0]?.actual,
    operator: 'verifyTool',
  })
}

interface Trial<Input> {
  readonly input: Input
  /** Calls the tool; what it throws is the caller's to bear. */
  call(input: Input, execute?: PerformOptions['execute']): Promise<unknown>
  /** A call in a process that dies there: `marked` is right before the effect, `answered` between effect and record. */
  crash(input: Input, there: FaultPoint): Promise<void>
  settle(withinMs?: number): Promise<Settlement>
}

/** The end state of a trial. */
interface Looked {
  readonly state: unknown
  /** True where a doubt is left to a person, as it should be: then there is no end state to judge. */
  readonly left: boolean
  /** The state, looked at anew; undefined where the trials that followed have changed it. */
  readonly again: (() => Promise<unknown>) | undefined
}

type Act<Input> = (trial: Trial<Input>) => Promise<'left' | void>

async function* checksOf<Input>(
  tool: ProtectedTool<Input, unknown> | AnyTool<Input>,
  options: VerifyOptions<Input>,
): AsyncGenerator<readonly [name: string, act: Act<Input>]> {
  const quietly = async (work: Promise<unknown>): Promise<void> => void (await work.catch(() => undefined))
  yield [
    'called twice',
    async ({ call, input }) => {
      await call(input)
      await quietly(call(input))
    },
  ]
  yield [
    `${CALLERS} times at once`,
    async ({ call, input }) => void (await Promise.allSettled(Array.from({ length: CALLERS }, () => call(input)))),
  ]
  if (!('contract' in tool)) return
  const { contract } = tool
  yield [
    'answer lost, called again',
    async ({ call, input, settle }) => {
      await quietly(call(input, losing(contract)))
      await quietly(call(input))
      await settle()
      await quietly(call(input))
    },
  ]
  // What takes an effect for done that never began loses it.
  yield [
    'crash before the effect, called again',
    async ({ call, crash, input, settle }) => {
      await crash(input, 'marked')
      if ((await settle(QUICK_SETTLE_MS)).doubts.length > 0) return 'left'
      await quietly(call(input))
    },
  ]
  yield [
    'crash between effect and record, called again',
    async ({ call, crash, input, settle }) => {
      await crash(input, 'answered')
      await quietly(call(input))
      await settle()
      await quietly(call(input))
    },
  ]
  const sample =
    typeof options.input === 'function' ? (options.input as (unique: string) => Input)('sample') : options.input
  for (const path of contract.describe().ignore ?? []) {
    if ((await reworded(contract, sample, path)) === undefined) continue
    yield [
      `called again with another ${path}`,
      async ({ call, input }) => {
        await call(input)
        await quietly(call((await reworded(contract, input, path)) as Input))
      },
    ]
  }
}

/** The effect happens, and its first answer does not arrive. */
function losing(contract: Contract): NonNullable<PerformOptions['execute']> {
  let executions = 0
  return async (input, context) => {
    const answer = await contract.execute(input, context)
    executions += 1
    if (executions === 1) throw connectionReset()
    return answer
  }
}

function trialOf<Input>(
  tool: ProtectedTool<Input, unknown> | AnyTool<Input>,
  options: VerifyOptions<Input>,
  token: string,
): (name: string, act: Act<Input>) => Promise<Looked> {
  const { input: given, reset, state } = options
  const isComposite = 'contract' in tool && tool.contract.recovery.class === 'composite'
  const store = options.store ?? (isComposite ? undefined : memoryStore())
  let nth = 0
  let slowestMs = 0
  return async (name, act) => {
    nth += 1
    const unique = `${token}n${nth}`
    const fresh = typeof given === 'function'
    const input = fresh ? (given as (unique: string) => Input)(unique) : given
    await reset?.()
    const counted = !fresh && reset === undefined
    const before = counted ? await countOf(state, input) : 0
    const unseen = nth === 1 ? await seen(state, input) : undefined
    const began = performance.now()
    let left = false
    if ('contract' in tool) {
      const about = { unique, occurrence: fresh ? 1 : nth + 1, slowestMs }
      left = (await guardedTrial(tool, store, input, act, about)) === 'left'
    } else if (counted) throw unseparated(name)
    else await act({ input, call: async (value) => await tool(value), crash: never, settle: never })
    if (nth === 1) slowestMs = performance.now() - began
    const after = await state(input)
    const text = stateText('state', after)
    // What does not see the effect of a single call would not see a second one either.
    if (text === unseen) throw blind(text)
    if (counted) return { state: (after as number) - before, left, again: undefined }
    const masked = (found: string): unknown => JSON.parse(found.replaceAll(unique, '*'))
    const again = async (): Promise<unknown> => masked(stateText('state', await state(input)))
    return { state: masked(text), left, again: reset === undefined ? again : undefined }
  }
}

const never = (): Promise<never> => Promise.reject(new Error('a plain function has no process of its own'))

/** The state as text, before there is anything: it may have nothing to look at yet. */
async function seen<Input>(state: VerifyOptions<Input>['state'], input: Input): Promise<string | undefined> {
  try {
    return JSON.stringify((await state(input)) ?? null)
  } catch {
    return undefined
  }
}

async function countOf<Input>(state: VerifyOptions<Input>['state'], input: Input): Promise<number> {
  const count = await state(input)
  if (typeof count === 'number') return count
  throw unseparated('called once')
}

const blind = (state: string): OnefoldError =>
  new OnefoldError(
    'INPUT_INVALID',
    `The state is ${state.slice(0, 120)} both before a single call and after it, so nothing was proven: a second effect would not be seen either. Let state look at what the call changes, and check that a single call succeeds.`,
  )

function refuseUnsteady(first: unknown, second: unknown): void {
  if (isDeepStrictEqual(first, second)) return
  throw new OnefoldError(
    'INPUT_INVALID',
    `Two single calls end in different states, so nothing was proven. Leave ids and times out of the state, let it look at what belongs to its input only, in one order, or give a reset. First: ${shortOf(first)} Second: ${shortOf(second)}`,
  )
}

const shortOf = (state: unknown): string => JSON.stringify(state).slice(0, 200)

const unseparated = (check: string): OnefoldError =>
  new OnefoldError(
    'INPUT_INVALID',
    `The check "${check}" cannot be told from the one before it. Make the input a function, input: (unique) => ({ … }), or give a reset, or let state be the number of effects of a protected tool.`,
  )

/** Processes on the ledger of the trial, beside the tool's own guard. */
async function guardedTrial<Input>(
  tool: ProtectedTool<Input, unknown>,
  store: Store | undefined,
  input: Input,
  act: Act<Input>,
  {
    unique,
    occurrence,
    slowestMs,
  }: { readonly unique: string; readonly occurrence: number; readonly slowestMs: number },
): Promise<'left' | void> {
  // Whoever comes after a crash waits for this one: as short as the tool allows.
  const { leaseMs: victimLeaseMs } = settingsFor({ requestMs: 0, toolMs: slowestMs })
  const dead = new Set<string>()
  const perform = (guard: Guard, value: Input, execute?: PerformOptions['execute']): Promise<unknown> =>
    guard.internals.perform(tool.contract, value, {
      run: guard.internals.runOf({ id: unique, session: unique }),
      ...(tool.contract.callerKey === 'ignored' ? {} : { idempotencyKey: unique }),
      ...(occurrence === 1 ? {} : { occurrence }),
      ...(execute === undefined ? {} : { execute }),
    })
  const survivor = twinOf(tool, store, { name: `${unique}-survivor`, dead, leaseMs: SURVIVOR_LEASE_MS })
  try {
    return await act({
      input,
      call: (value, execute) => perform(survivor, value, execute),
      crash: async (value, there) => {
        const name = `${unique}-victim`
        let died = (): void => {}
        const death = new Promise<void>((resolve) => (died = resolve))
        const die = (): Promise<void> => {
          dead.add(name)
          died()
          return new Promise(() => {})
        }
        const ended = perform(twinOf(tool, store, { name, dead, leaseMs: victimLeaseMs, there, die }), value)
        await Promise.race([death, ended.catch(() => undefined)])
        dead.add(name)
      },
      settle: (withinMs = SETTLE_MS) => settleGuards([survivor], undefined, withinMs + victimLeaseMs),
    })
  } finally {
    await survivor.close()
  }
}

interface TwinOptions {
  readonly name: string
  readonly dead: ReadonlySet<string>
  readonly leaseMs: number
  /** Where it dies. */
  readonly there?: FaultPoint
  readonly die?: () => Promise<void>
}

function twinOf(
  tool: ProtectedTool<never, unknown>,
  store: Store | undefined,
  { name, dead, leaseMs, there, die }: TwinOptions,
): Guard {
  const isDead = (): boolean => dead.has(name)
  const live = async <T>(work: Promise<T>): Promise<T> => {
    const value = await work
    return isDead() ? await new Promise(() => {}) : value
  }
  const mortal: Mortal = { isDead, live, around: (_write, work) => live(work()) }
  const twin = tool.guard.internals.twin(({ spool: _spool, ...options }) => ({
    ...options,
    store: keptOpen(mortalStore(store ?? options.store, mortal)),
    allowVolatile: true,
    settings: { ...QUICK_SETTINGS, leaseMs },
    clock: mortalClock(mortal),
    processes: { self: name, isDead: (owner) => dead.has(owner) },
    ...(die === undefined ? {} : { faults: (point) => (point === there ? die() : undefined) }),
  }))
  twin.internals.register(tool.contract)
  return twin
}

/** The trial's store is closed by the trial, and a tool's own by its own guard. */
const keptOpen = (store: Store): Store =>
  new Proxy(store, {
    get: (target, name) => (name === 'close' ? () => Promise.resolve() : (Reflect.get(target, name) as unknown)),
  })
