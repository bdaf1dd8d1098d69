import type { Command } from '../../src/engine/commands.ts'
import { OPEN_STATES, stamp, type HistoryEvent, type OperationRecord } from '../../src/engine/record.ts'
import type { Decide, Faults } from './faults.ts'
import { descriptorOf } from './ledger.ts'
import type { Setup } from './setup.ts'

export const WALK = {
  leaseMs: 30_000,
  quarantineMs: 60_000,
  windowMs: 600_000,
  marginMs: 120_000,
  stepMs: [1_000, 20_000, 31_000, 95_000, 500_000],
} as const

/** A request on its way. It lands by `until`, or never (A2). */
export interface Request {
  readonly worker: WalkWorker | undefined
  readonly key: string
  readonly until: number
  readonly unconditional: boolean
  /** Accepted already; runs later. */
  readonly job: boolean
}

/** One caller or recoverer with real fences, nonces and times. */
export interface WalkWorker {
  pc:
    | 'idle'
    | 'claimed'
    | 'marked'
    | 'sent'
    | 'ok'
    | 'no'
    | 'asked'
    | 'working'
    | 'undone'
    | 'accepted'
    | 'verifying'
    | 'recovering'
  fence: number
  nonce: string
  key: string
  /** Its own deadline for the first byte. */
  sendUntil: number
  /** When its recovery began. */
  since: number
  probedAbsent: boolean
  asleepUntil: number
  /** The recoverer has seen that the owner of an unchecked tool is dead. */
  foundDead: boolean
  name: string
}

/** A ledger of one operation with real numbers, its downstream, and what every caller was told. */
export interface WalkWorld {
  readonly setup: Setup
  readonly faults: Faults
  readonly random: () => number
  readonly pick: <T>(items: readonly T[]) => T
  readonly chance: (probability: number) => boolean
  now: number
  sequence: number
  record: OperationRecord | undefined
  before: OperationRecord | undefined
  history: HistoryEvent[]
  amnesiaAt: number
  lost: boolean
  effects: number
  /** What the downstream stores, by key: until when, and whether it was a success. */
  stored: Map<string, { until: number; success: boolean }>
  /** Keys under which the downstream acted in a round that it ended with a question. */
  begun: Set<string>
  requests: Request[]
  spool: { kind: 'ok' | 'no'; fence: number; nonce: string }[]
  workers: WalkWorker[]
  /** Hash of the outcome that callers were told. */
  toldOutcome: string | undefined
  readonly trace: string[]
  violation: string | undefined
  struck: boolean
  /** How likely a worker pauses, in this walk. */
  drowsiness: number
  readonly act: (command: Command, on?: OperationRecord, blind?: boolean) => boolean
  readonly blame: (what: string) => void
}

/** mulberry32: small, seeded, good enough to choose moves. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const newWorker = (name: string): WalkWorker => ({
  pc: 'idle',
  fence: 0,
  nonce: '',
  key: '',
  sendUntil: 0,
  since: 0,
  probedAbsent: false,
  asleepUntil: 0,
  foundDead: false,
  name,
})

/** State, fence, nonce and open sends as the history alone tells them (I13). */
export function fold(history: readonly HistoryEvent[]): {
  state: string
  fence: number
  nonce: string
  openSends: number
} {
  let folded = { state: 'absent', fence: 0, nonce: '', openSends: 0 }
  for (const event of history) {
    if (event.from !== folded.state)
      throw new Error(`I13 ${event.transition} starts at ${event.from}, the history stands at ${folded.state}`)
    folded = {
      state: event.to === 'deleted' ? 'absent' : event.to,
      fence: event.fence,
      nonce: event.nonce,
      openSends: event.openSends,
    }
  }
  return folded
}

export function newWalk(
  setup: Setup,
  faults: Faults,
  decide: Decide,
  seed: number,
  ignore: readonly string[],
): WalkWorld {
  const random = randomOf(seed)
  const world: WalkWorld = {
    setup,
    faults,
    random,
    pick: (items) => items[Math.floor(random() * items.length)] as never,
    chance: (probability) => random() < probability,
    now: 1_000_000,
    sequence: 0,
    record: undefined,
    before: undefined,
    history: [],
    amnesiaAt: 0,
    lost: false,
    effects: 0,
    stored: new Map(),
    begun: new Set(),
    requests: [],
    spool: [],
    workers: Array.from({ length: Math.max(2, setup.workers) }, (_, index) => newWorker(`w${index}`)),
    toldOutcome: undefined,
    trace: [],
    violation: undefined,
    struck: false,
    drowsiness: [0.02, 0.1, 0.4][Math.floor(random() * 3)] as number,
    act: (command, on = world.record, blind = false) => {
      const decision = decide('of1_walked', on, command, world.now)
      world.trace.push(`${world.now} ${command.type} ${decision.ok ? decision.transition : decision.refusal}`)
      if (!decision.ok) return false
      const sequence = faults.fenceRestarts && world.record === undefined ? 1 : ++world.sequence
      const next = decision.draft === undefined ? undefined : stamp(decision.draft, world.record, world.now, sequence)
      check(world, on, next, command, decision.transition)
      if (!blind) world.history.push({ ...decision.event, at: world.now, fence: next?.fence ?? decision.event.fence })
      world.sequence = Math.max(world.sequence, next?.fence ?? 0)
      world.before = world.record
      world.record = next
      return true
    },
    blame: (what) => {
      if (!ignore.includes(what.split(' ', 1)[0] as string)) world.violation ??= what
    },
  }
  return world
}

/** I5, I6, I10 on the real records, without the explorer's abstractions. */
function check(
  world: WalkWorld,
  before: OperationRecord | undefined,
  after: OperationRecord | undefined,
  command: Command,
  transition: string,
): void {
  if (before === undefined) {
    if (after !== undefined && after.fence <= Math.max(0, ...world.workers.map((worker) => worker.fence))) {
      world.blame('I6 a fence was used twice')
    }
    return
  }
  if (after === undefined) {
    if (OPEN_STATES.includes(before.state)) world.blame(`I10 ${before.state} was deleted`)
    return
  }
  if (after.fence < before.fence) world.blame('I6 the fence fell')
  if ('fence' in command && command.fence < before.fence && transition !== 'T15')
    world.blame(`I6 ${transition} by an older attempt`)
  if (before.state === 'committed' && after.state === 'committed' && after.outcome?.sha256 !== before.outcome?.sha256) {
    world.blame('I5 a committed outcome changed')
  }
}

export const claimOf = (world: WalkWorld, nonce: string, mark: boolean): Command => {
  const keyedBeyond = world.faults.keyedBeyondAmnesia && world.setup.recovery === 'keyed'
  return {
    type: 'claim',
    who: 'host/boot/1/1',
    nonce,
    leaseMs: WALK.leaseMs,
    descriptor: { ...descriptorOf(world.setup), retentionMs: WALK.windowMs, retryHorizonMs: WALK.windowMs },
    input: 'input',
    mark,
    ...(world.amnesiaAt > 0 && !world.faults.amnesiaIgnored
      ? { amnesia: { at: world.amnesiaAt, lossFrom: 0, why: 'walked' }, beyondAmnesia: keyedBeyond }
      : {}),
  }
}
