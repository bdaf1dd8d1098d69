import { FAULT_POINTS } from '../../src/engine/faults.ts'
import type { Settings } from '../../src/engine/settings.ts'
import { Random } from './random.ts'

/** What one schedule is about: the tool, the environment and who calls. Everything follows from the seed. */

export const KINDS = [
  'keyed',
  'keyed-probe',
  'probe',
  'idempotent',
  'manual',
  'composite',
  'verify',
  'undeclared',
  'sequence',
  'exclusive',
  'near',
  'versions',
  'supersedes',
  'secrets',
  'compensate',
  'misuse',
  'rounds',
  'transactional',
] as const

export type Kind = (typeof KINDS)[number]

const WEIGHTS: Readonly<Record<Kind, number>> = {
  keyed: 18,
  'keyed-probe': 7,
  probe: 15,
  idempotent: 8,
  manual: 14,
  composite: 9,
  verify: 6,
  undeclared: 5,
  sequence: 5,
  exclusive: 4,
  near: 3,
  versions: 4,
  supersedes: 3,
  secrets: 2,
  compensate: 4,
  misuse: 1,
  // Drawn by {@link newerKind}, so that the seeds of before keep their meaning.
  rounds: 0,
  transactional: 0,
}

const newerKind = (seed: number): Kind | undefined =>
  seed % 16 === 9 ? 'rounds' : seed % 16 === 13 ? 'transactional' : undefined

/** How long a question may stand, by seed. */
const QUESTION_MS = [150, 600, 2_500] as const

/** How the tool sends: through `ctx.fetch`, after `ctx.checkpoint()`, or as it pleases. */
export type Sending = 'fetch' | 'checked' | 'unchecked'

/** How often what goes wrong, each as a probability. */
export interface Odds {
  /** At each point where a process touches the world: it dies there. */
  readonly crash: number
  /** A message to the store: lost, its answer lost, refused, applied long after, delivered twice. */
  readonly store: number
  /** A send: refused, lost, late, its answer lost. */
  readonly network: number
  /** The downstream: refuses, fails before or after the effect. */
  readonly downstream: number
  /** A caller leaves before its answer. */
  readonly abort: number
  /** The tool dawdles before its send or after its answer. */
  readonly stall: number
}

/** Something that happens to the world at one moment. */
export type Incident =
  | { readonly type: 'pause' | 'sleep'; readonly at: number; readonly forMs: number; readonly process: number }
  | { readonly type: 'store-clock' | 'wall-clock'; readonly at: number; readonly byMs: number }
  | { readonly type: 'store-down' | 'store-frozen' | 'disk-full'; readonly at: number; readonly forMs: number }
  | { readonly type: 'fail-over'; readonly at: number; readonly writes: number }
  | { readonly type: 'restore'; readonly at: number }
  | { readonly type: 'close'; readonly at: number; readonly process: number }

export interface Plan {
  readonly seed: number
  readonly kind: Kind
  readonly calm: boolean
  readonly settings: Partial<Settings>
  /** Reads are synchronous, as with an embedded store. */
  readonly localReads: boolean
  /** The host of each process. */
  readonly hosts: readonly number[]
  readonly sending: Sending
  readonly prepared: boolean
  readonly sticky: boolean
  readonly stores5xx: boolean
  readonly mapped: boolean
  readonly windowMs: number
  readonly settleMs: number
  readonly tenants: readonly string[]
  readonly callers: number
  /** Distinct identities that the callers want. */
  readonly wanted: number
  readonly inRun: boolean
  readonly spool: boolean
  readonly people: boolean
  /** Short retention and a long watch, so that outcomes expire. */
  readonly retires: boolean
  readonly odds: Odds
  readonly crashes: number
  /** Dies when it first comes to this fault point. */
  readonly dieAt: string | undefined
  readonly incidents: readonly Incident[]
}

/** Faults end here; from then on everything must settle. */
export const QUIET_AT = 1_800
/** Milliseconds after the quiet began within which every operation has settled or is a listed doubt. */
export const SETTLES_WITHIN = 30_000
export const QUARANTINE = 300
export const LEASE = 600
export const DAY = 86_400_000

function incidents(random: Random, kind: Kind, processes: number, windowed: boolean, retires: boolean): Incident[] {
  const list: Incident[] = []
  const at = (): number => random.between(5, QUIET_AT - 300)
  const process = (): number => random.between(0, processes - 1)
  if (random.chance(0.2)) list.push({ type: 'pause', at: at(), forMs: random.between(20, 1_500), process: process() })
  if (random.chance(0.1)) list.push({ type: 'sleep', at: at(), forMs: random.between(100, 3_000), process: process() })
  if (random.chance(0.15)) {
    // A6: while a window counts, the store's clock errs by less than the margin; elsewhere it may jump by a day.
    const byMs = windowed ? random.between(-150, 150) : random.pick([-DAY, DAY, -5_000, 5_000])
    list.push({ type: 'store-clock', at: at(), byMs })
  }
  if (random.chance(0.1)) list.push({ type: 'wall-clock', at: at(), byMs: random.pick([-DAY, DAY]) })
  if (random.chance(0.15)) {
    const type = random.pick(['store-down', 'store-frozen', 'disk-full'] as const)
    list.push({ type, at: at(), forMs: random.between(50, 1_200) })
  }
  // With a short retry horizon a loss is soon history: absent is evidence again.
  // A transactional tool's rows lie in the database that loses them with their records.
  if (kind !== 'undeclared' && kind !== 'transactional' && !retires && random.chance(0.06)) {
    if (random.chance(0.6)) list.push({ type: 'fail-over', at: at(), writes: random.between(1, 6) })
    else list.push({ type: 'restore', at: at() })
  }
  // A mark's horizon is told by the store's clock, so a day's step may not come with a loss.
  const lossy = list.some(({ type }) => type === 'fail-over' || type === 'restore')
  const steps = list.findIndex(({ type }) => type === 'store-clock')
  if (lossy && steps >= 0) list.splice(steps, 1)
  if (random.chance(0.05)) list.push({ type: 'close', at: at(), process: process() })
  return list
}

/** True where a downstream's window counts, so that the store's clock must keep A6. */
export const isWindowed = (kind: Kind): boolean =>
  !['probe', 'manual', 'idempotent', 'undeclared', 'misuse', 'transactional'].includes(kind)

/** The schedule of a seed. */
export function planOf(seed: number, only?: Kind): Plan {
  const random = new Random(seed)
  const drawn = random.weighted(WEIGHTS)
  const kind = only ?? newerKind(seed) ?? drawn
  const calm = random.chance(0.06)
  const windowed = isWindowed(kind)
  const processes = random.weighted({ 1: 5, 2: 6, 3: 1 })
  const hosts = Array.from({ length: Number(processes) }, (_, index) => (index === 0 ? 0 : random.between(0, 1)))
  const crashes = calm ? 0 : random.weighted({ 0: 4, 1: 4, 2: 2, 3: 1 })
  const level = (quiet: number, rough: number): number =>
    calm ? 0 : random.chance(0.4) ? quiet : random.chance(0.6) ? rough / 3 : rough
  const settleMs = random.pick([0, 60, 150])
  // A part that expires while its composite operation is open would leave that without its answer.
  const retires = random.chance(0.01) && kind !== 'composite'
  return {
    seed,
    kind,
    calm,
    settings: {
      leaseMs: LEASE,
      heartbeatMs: random.pick([200, 300, 300, 300]),
      sendGraceMs: 30,
      quarantineMs: QUARANTINE,
      windowMarginMs: 700,
      waitMs: random.pick([100, 400, 1_200]),
      sweepMs: random.pick([250, 500]),
      storeDeadlineMs: 60,
      inlineResultBytes: kind !== 'composite' && random.chance(0.08) ? 1 : 65_536,
      recoveryBackoffMs: 20,
      maxRecoveryBackoffMs: 500,
      ...(kind === 'rounds' ? { questionMs: QUESTION_MS[seed % 3] ?? 150 } : {}),
    },
    localReads: random.chance(0.4),
    hosts,
    sending: random.pick(
      kind === 'manual' || kind === 'probe' ? ['fetch', 'checked', 'unchecked'] : ['fetch', 'checked'],
    ),
    prepared: random.chance(0.25),
    sticky: random.chance(0.5),
    stores5xx: random.chance(0.15),
    mapped: random.chance(0.3),
    windowMs: random.pick([1_300, 4_000, 60_000]),
    settleMs,
    tenants: random.chance(0.15) ? ['default', 'acme'] : random.chance(0.3) ? ['acme'] : ['default'],
    callers: Number(random.weighted({ 1: 3, 2: 4, 3: 2, 4: 1 })),
    wanted: random.chance(0.25) ? 2 : 1,
    inRun: random.chance(0.5),
    spool: random.chance(0.6),
    people: random.chance(0.5),
    retires,
    odds: {
      crash: crashes === '0' ? 0 : random.pick([0.005, 0.015, 0.04]),
      store: level(0, 0.25),
      network: level(0, 0.6),
      downstream: level(0, 0.5),
      abort: level(0, 0.3),
      stall: level(0.05, 0.4),
    },
    crashes: Number(crashes),
    dieAt: crashes !== 0 && crashes !== '0' && random.chance(0.4) ? random.pick(FAULT_POINTS) : undefined,
    incidents: calm ? [] : incidents(random, kind, Number(processes), windowed, retires),
  }
}
