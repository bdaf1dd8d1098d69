import {
  anySchema,
  defineContract,
  knownOptions,
  manual,
  type AnyToolOptions,
  type Contract,
  type NamesOf,
} from '../contract/index.ts'
import { currentOperation, currentRun, type Guard, type SendPort } from '../engine/index.ts'
import { downstreamKey } from '../key/index.ts'
import { downstreamFetch, type DownstreamOptions } from './fetch.ts'

/** Options of the fetches of this door. */
export interface ProtectFetchOptions extends DownstreamOptions {
  /** What makes the requests. @default the global fetch */
  readonly fetch?: typeof fetch
}

const NAMES: NamesOf<ProtectFetchOptions> = { fetch: true, budget: true, providers: true, carries: true }

type ActiveRun = NonNullable<ReturnType<typeof currentRun>>

/**
 * A fetch for code that has no `ctx`. Inside a tool it is that tool's `ctx.fetch`: same keys, same counts, same proofs.
 * Inside a run but outside any tool it counts, and names the run in `Onefold-Run`. Elsewhere it is the plain fetch.
 */
export function onefoldFetch(options: ProtectFetchOptions = {}): typeof fetch {
  return routed(options, () => undefined)
}

/**
 * As {@link onefoldFetch}, and inside a run but outside any tool it puts a key on every write: the run's, for the nth
 * request of its method and path, so that a retried run sends the same ones. Nothing is recorded in the ledger: that
 * takes a tool.
 */
export function protectFetch(guard: Guard, options: ProtectFetchOptions = {}): typeof fetch {
  return routed(options, (run) => {
    const { key } = guard.internals.name(runContract, {}, { run })
    return (provider, operation, ordinal) => downstreamKey({ key, provider, operation, ordinal })
  })
}

type KeyOf = SendPort['downstreamKey']

function routed(options: ProtectFetchOptions, keysOf: (run: ActiveRun) => KeyOf | undefined): typeof fetch {
  const { fetch: base = fetch, ...sending } = knownOptions('The fetch of onefold/fetch', options, NAMES)
  const make = downstreamFetch(base, sending)
  const keyless = downstreamFetch(base, { ...sending, carries: false })
  /** By what a run shares with the runs within it: its requests are counted as one. */
  const ofRuns = new WeakMap<ActiveRun['sequences'], typeof fetch>()
  const fetchOf = (run: ActiveRun): typeof fetch => {
    const known = ofRuns.get(run.sequences)
    if (known !== undefined) return known
    const keyOf = keysOf(run)
    const made = (keyOf === undefined ? keyless : make)(runPort(run, keyOf))
    ofRuns.set(run.sequences, made)
    return made
  }
  return (input, init) => {
    const operation = currentOperation()
    if (operation !== undefined && !operation.ended) return make(operation.port)(input, init)
    const run = operation === undefined ? currentRun() : undefined
    return run === undefined ? base(input, init) : fetchOf(run)(input, init)
  }
}

const NEVER: AbortSignal = new AbortController().signal

/** What a run's own requests are sent under: no attempt, no deadline, nobody to tell of sends. */
const runPort = (run: ActiveRun, keyOf: KeyOf | undefined): SendPort => ({
  tool: '(run)',
  recovery: undefined,
  checked: false,
  tenant: run.tenant,
  run: run.id,
  sequenceKey: undefined,
  lineage: keyOf?.(undefined, '', 0),
  checkpoint: () => {},
  beforeUnseen: () => {},
  downstreamKey: keyOf ?? (() => ''),
  gave: () => {},
  holdsKey: () => false,
  carries: () => {},
  opened: () => ({ state: 'unsent' }),
  signal: NEVER,
  used: () => false,
})

/** Names a run's own requests; never executed. */
const runContract: Contract = defineContract({
  name: 'onefold.fetch',
  input: anySchema,
  effect: 'write',
  identity: 'all',
  scope: 'run',
  recovery: manual(),
  execute: () => undefined,
} as unknown as AnyToolOptions)
