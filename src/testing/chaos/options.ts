import type { Guard, OperationRecord, Settings, Store } from '../../engine/index.ts'
import { knownOptions, unknownName, type NamesOf } from '../../contract/index.ts'
import { MEANING, type FaultName } from './faults.ts'

/** What a guard of a disturbed process is made from; the rest comes from the kit. */
export interface LifeGuardOptions {
  /** A store object of this process's own, on a ledger that outlives it. */
  readonly store: Store
  readonly tenant?: string
  /** @default short times, in the proportions of the real ones */
  readonly settings?: Partial<Settings>
}

/** One process of a disturbed run: it begins when `open` is called, and may be killed at any call. */
export interface Life {
  /** 1 for the first process of a run, 2 after its first crash. */
  readonly number: number
  /** `fetch` for the tools' own requests; each request is a site. */
  readonly fetch: typeof globalThis.fetch
  /** A guard that dies with this process: its ledger writes are sites, its requests pass {@link fetch}. */
  onefold(options: LifeGuardOptions): Guard
  /** A wall clock in milliseconds; a delay moves it on by an hour, so that what expires does expire. */
  now(): number
}

/** What a tool is told beside its input. */
export interface ToolCall {
  /** The same for all repeats of this call by the framework. */
  readonly callId: string
  /** 1 for the first time. */
  readonly attempt: number
}

/** One execution of the workflow. */
export interface RunContext<App> {
  /** What `open` gave. */
  readonly app: App
  /** The same through every retry of the whole run. */
  readonly runId: string
  /** 1 for the first execution of the workflow in this run. */
  readonly attempt: number
  /** Text that no other run has: put it into ids, so that runs do not meet. It is masked in states. */
  readonly unique: string
  readonly fetch: typeof globalThis.fetch
  /** A tool as a framework calls it: a site, repeated up to three times when it fails. */
  tool<Input, Output>(
    name: string,
    execute: (input: Input, call: ToolCall) => Promise<Output> | Output,
  ): (input: Input) => Promise<Output>
  /** A model call: a site. What it answers may differ from time to time, as real models do. */
  model<Answer>(sample: () => Promise<Answer> | Answer): Promise<Answer>
}

/** What `chaos` is given. */
export interface ChaosOptions<App = undefined> {
  /** Begins a process: what must not outlive it (guards, connections, memory) is made here. */
  readonly open?: (life: Life) => Promise<App> | App
  readonly workflow: (run: RunContext<App>) => unknown
  /** The end state at the downstream, as JSON data: counts and rows without ids and times that differ by themselves. */
  readonly snapshot: (about: { readonly runId: string; readonly unique: string }) => unknown
  /** Puts the downstream back before each run. Without it, `snapshot` looks at what belongs to `unique` only. */
  readonly reset?: () => Promise<void> | void
  /** Only these. @default all that fit the site */
  readonly faults?: readonly FaultName[]
  /** How many random combinations follow the single faults. @default 20 */
  readonly combinations?: number
  /** Names the combinations. @default 1 */
  readonly seed?: number
  /** Longest time that a late answer is held, in milliseconds; it ends earlier when the retry has ended. @default 300 */
  readonly delayMs?: number
  /** Longest time that one execution may take, in milliseconds; then it counts as one that never ends. @default 60,000 */
  readonly timeoutMs?: number
  /**
   * Plays the person who settles what is left in doubt: looks at the downstream and says whether it was done. The run
   * is then tried once more. Without it, a doubt is a failure where the end state is not the undisturbed one.
   */
  readonly person?: (record: OperationRecord) => Promise<boolean> | boolean
  /** Waits for work that goes on behind the workflow, before the end state is looked at. */
  readonly settle?: () => Promise<void> | void
  /** Told of each run, for progress. */
  readonly onRun?: (done: number, total: number) => void
  /** `return`: a failure is reported, not thrown. @default 'throw' */
  readonly onFailure?: 'return' | 'throw'
}

const GUARD: NamesOf<LifeGuardOptions> = { store: true, tenant: true, settings: true }
const NAMES: NamesOf<ChaosOptions<never>> = {
  open: true,
  workflow: true,
  snapshot: true,
  reset: true,
  faults: true,
  combinations: 'number',
  seed: 'number',
  delayMs: 'number',
  timeoutMs: 'number',
  person: true,
  settle: true,
  onRun: true,
  onFailure: true,
}

/** @throws OnefoldError CONFIG_INVALID for an option or a fault that there is not: less would be tried than was meant */
export function knownChaos(options: object): void {
  const { faults = [] } = knownOptions<Partial<ChaosOptions<never>>>('chaos', options, NAMES)
  for (const fault of faults)
    if (!Object.hasOwn(MEANING, fault)) throw unknownName('chaos', 'fault', String(fault), Object.keys(MEANING))
}

/** @throws OnefoldError CONFIG_INVALID for an option that there is not: another guard would be disturbed than was meant */
export const knownLifeGuard = (options: LifeGuardOptions): LifeGuardOptions =>
  knownOptions('life.onefold', options, GUARD)
