import { decide as production } from '../../src/engine/machine.ts'
import type { StoredOutcome } from '../../src/engine/record.ts'
import { NO_FAULTS } from './faults.ts'
import type { Mutant } from './mutants.ts'
import type { Setup } from './setup.ts'
import { environmentMoves } from './walk-environment.ts'
import { claimOf, fold, newWalk, newWorker, WALK, type WalkWorker, type WalkWorld } from './walk-world.ts'

/** What a series of random walks found. */
export interface Walked {
  readonly walks: number
  readonly steps: number
  readonly violation: { readonly what: string; readonly seed: number; readonly trace: readonly string[] } | undefined
}

const who = 'host/boot/1/1'
const outcomeOf = (nonce: string): StoredOutcome => ({ kind: 'value', text: nonce, sha256: nonce, size: nonce.length })
let nonces = 0

/** One random walk of at most `length` moves over real records, fences and times; deterministic by `seed`. */
export function walk(setup: Setup, mutant: Mutant | undefined, seed: number, length = 80): WalkWorld {
  nonces = 0
  const decide = mutant?.decide?.(production) ?? production
  const world = newWalk(setup, { ...NO_FAULTS, ...mutant?.faults }, decide, seed, mutant?.ignore ?? [])
  const moves = environmentMoves(world)
  const busy = world.pick([0.3, 0.55, 0.8])
  for (let step = 0; step < length && world.violation === undefined; step++) {
    if (world.chance(busy)) workerStep(world, world.pick(world.workers))
    else world.pick(moves)(world)
    oracle(world)
  }
  return world
}

/** Walks seeds `from` … until a violation, or `walks` are done. */
export function walkMany(setup: Setup, walks: number, mutant?: Mutant, from = 1): Walked {
  let steps = 0
  for (let seed = from; seed < from + walks; seed++) {
    const world = walk(setup, mutant, seed)
    steps += world.trace.length
    const what = world.violation
    if (what === undefined) continue
    return { walks: seed - from + 1, steps, violation: { what, seed, trace: world.trace } }
  }
  return { walks, steps, violation: undefined }
}

function oracle(world: WalkWorld): void {
  if (world.effects > 1) return world.blame('I1 the effect happened twice')
  const { record } = world
  if (record === undefined) return
  if (record.state === 'committed' && world.effects === 0) return world.blame('I2 committed without effect')
  const before = world.amnesiaAt > 0 && record.updatedAt <= world.amnesiaAt
  if ((record.state === 'released' || record.state === 'rejected') && !before) {
    if (world.effects > 0) return world.blame(`I3 ${record.state}, yet it happened`)
    if (record.openSends > 0) return world.blame(`I9 ${record.state}, yet nobody may try again`)
  }
  if (world.lost) return
  try {
    const folded = fold(world.history)
    const same = folded.state === record.state && folded.fence === record.fence && folded.openSends === record.openSends
    if (!same) world.blame('I13 the history tells another story')
  } catch (error) {
    world.blame((error as Error).message)
  }
}

function toldSuccess(world: WalkWorld): void {
  if (world.effects === 0) world.blame('I4 a caller was told success, nothing happened')
}

function become(worker: WalkWorker, change: Partial<WalkWorker>): void {
  Object.assign(worker, change)
}

const rest = (worker: WalkWorker): void => become(worker, { pc: 'idle', probedAbsent: false })

function workerStep(world: WalkWorld, worker: WalkWorker): void {
  const { faults, setup } = world
  const attempt = { who, fence: worker.fence, nonce: worker.nonce }
  if (worker.pc !== 'idle' && world.chance(0.08)) {
    world.trace.push(`${world.now} ${worker.name} crashes`)
    world.workers[world.workers.indexOf(worker)] = { ...newWorker(worker.name), fence: worker.fence }
    return
  }
  if (world.now < worker.asleepUntil) return
  // A pause of the process, at any point, as long as it likes.
  if (world.chance(world.drowsiness)) {
    worker.asleepUntil = world.now + world.pick(WALK.stepMs)
    return
  }
  switch (worker.pc) {
    case 'idle':
      return begin(world, worker)
    case 'claimed':
      if (faults.sendUnmarked && world.chance(0.5)) return send(world, worker)
      if (world.chance(0.15)) {
        world.act({ type: 'withdraw', ...attempt })
        return rest(worker)
      }
      if (setup.recovery === 'transactional') return become(worker, { pc: 'working' })
      if (!world.act({ type: 'mark', ...attempt, leaseMs: WALK.leaseMs, input: 'input' })) return rest(worker)
      return become(worker, { pc: 'marked', sendUntil: world.now + WALK.leaseMs })
    case 'marked':
      return marked(world, worker)
    case 'sent':
      if (world.chance(0.4)) return
      if (faults.deleteOnThrow) {
        world.record = undefined
        world.lost = true
        return rest(worker)
      }
      world.act({ type: 'doubt', who, fence: worker.fence, reason: 'timeout' })
      return
    case 'ok':
      return succeeded(world, worker)
    case 'no':
      if (setup.spool && world.chance(0.25)) world.spool.push({ kind: 'no', fence: worker.fence, nonce: worker.nonce })
      else if (world.chance(0.5))
        world.act({
          type: 'reject',
          ...attempt,
          questionMs: questionMs(world),
          error: { name: 'Refused', message: 'refused' },
        })
      else world.act({ type: 'unsent', ...attempt, questionMs: questionMs(world) })
      return rest(worker)
    case 'asked':
      world.act({ type: 'ask', ...attempt, leaseMs: questionMs(world) })
      return rest(worker)
    case 'working':
      return transact(world, worker)
    case 'undone':
      world.act({ type: 'withdraw', ...attempt })
      return rest(worker)
    case 'accepted':
      if (!world.act({ type: 'accept', ...attempt, outcome: outcomeOf(worker.nonce), leaseMs: WALK.leaseMs }))
        return rest(worker)
      return become(worker, { pc: 'verifying' })
    case 'verifying':
      world.act({ type: 'verified', ...attempt, happened: world.effects > 0 })
      return rest(worker)
    case 'recovering':
      return recovering(world, worker)
  }
}

function begin(world: WalkWorld, worker: WalkWorker): void {
  const { faults, record } = world
  const nonce = `n${++nonces}`
  if (faults.failOpen && world.chance(0.1)) {
    become(worker, { nonce, fence: 0, key: nonce })
    return send(world, worker)
  }
  if (faults.staleReads && world.before !== undefined && world.chance(0.3)) {
    const told = world.before.state === 'released' || world.before.state === 'rejected'
    if (told && world.effects > 0) return world.blame('I4 a caller was told not done by a replica, it was')
  }
  if (record?.state === 'committed') {
    toldSuccess(world)
    const hash = record.outcome?.sha256
    if (world.toldOutcome !== undefined && hash !== world.toldOutcome)
      world.blame('I5 two callers were told different outcomes')
    world.toldOutcome = hash
  }
  if (record?.state === 'accepted' && world.act({ type: 'verify', who, nonce, leaseMs: WALK.leaseMs })) {
    return become(worker, { pc: 'verifying', fence: world.record?.fence ?? 0, nonce })
  }
  if (record?.state === 'awaiting-input') {
    // A lapsed question is a doubt (T8); a standing one is answered in whichever process its caller comes back.
    const attempt = { who, fence: record.fence, nonce: record.nonce }
    if (world.chance(0.8) || world.now >= record.leaseUntil) return
    if (!world.act({ type: 'resume', round: 'next', ...attempt, leaseMs: WALK.leaseMs })) return
    const windowOver = faults.questionOutlivesKey ? Infinity : windowOverAt(world)
    const sendUntil = Math.min(world.now + WALK.leaseMs, windowOver)
    return become(worker, { pc: 'marked', fence: record.fence, nonce: record.nonce, key: keyOf(world), sendUntil })
  }
  if (record?.state === 'in-doubt' && world.chance(0.7)) {
    if (world.act({ type: 'recover', who, nonce, leaseMs: 300_000, backoffMs: 0 })) {
      become(worker, {
        pc: 'recovering',
        fence: world.record?.fence ?? 0,
        nonce,
        key: keyOf(world),
        since: world.now,
        probedAbsent: false,
        foundDead: false,
      })
    }
    return
  }
  const blind = faults.blindWrites && world.chance(0.3)
  if (
    !world.act(
      claimOf(world, nonce, world.setup.recovery !== 'transactional' && world.chance(0.5)),
      blind ? world.before : world.record,
      blind,
    )
  )
    return
  if (blind) world.lost = true
  const state = world.record?.state
  if (state === 'in-doubt') return
  const marked = state === 'executing'
  become(worker, {
    pc: marked ? 'marked' : 'claimed',
    fence: world.record?.fence ?? 0,
    nonce,
    key: keyOf(world),
    sendUntil: world.now + WALK.leaseMs,
  })
}

/** Until when the downstream surely knows the key of the record's attempt (T13, T19). */
const windowOverAt = ({ setup, record }: WalkWorld): number =>
  setup.recovery === 'keyed' ? (record?.firstSendAt ?? 0) + WALK.windowMs - WALK.marginMs : Infinity

/** How long a question may stand. */
const questionMs = (world: WalkWorld): number =>
  world.faults.questionOutlivesKey
    ? 10 * WALK.windowMs
    : Math.max(0, Math.min(300_000, windowOverAt(world) - world.now))

const keyOf = (world: WalkWorld): string => `${world.struck ? 'v2' : 'v1'}-${world.record?.generation ?? 0}`

/** Marker and outcome become visible together, with the effect, if the claim still stands; or none of them does. */
function transact(world: WalkWorld, worker: WalkWorker): void {
  const { faults } = world
  if (faults.recordApart) {
    world.effects++
    return become(worker, { pc: 'ok' })
  }
  if (faults.tellsFirst) toldSuccess(world)
  if (world.chance(0.3)) return become(worker, { pc: 'undone' })
  const attempt = { who, fence: worker.fence, nonce: worker.nonce }
  // Refused, it is undone by that.
  if (!world.act({ type: 'mark', ...attempt, leaseMs: WALK.leaseMs, input: 'input' })) {
    if (faults.blindCommit) world.effects++
    return rest(worker)
  }
  world.effects++
  world.act({ type: 'commit', ...attempt, outcome: outcomeOf(worker.nonce) })
  // Its answer may be lost; the row then says what became of it.
  toldSuccess(world)
  rest(worker)
}

function send(world: WalkWorld, worker: WalkWorker, unconditional = false): void {
  world.trace.push(`${world.now} ${worker.name} sends`)
  world.requests.push({ worker, key: worker.key, until: world.now + WALK.quarantineMs, unconditional, job: false })
  worker.pc = 'sent'
}

function marked(world: WalkWorld, worker: WalkWorker): void {
  const { faults, setup } = world
  if (world.chance(0.15)) {
    world.act({ type: 'unsent', who, fence: worker.fence, nonce: worker.nonce })
    return rest(worker)
  }
  // A pause between the marker and the first byte is what the deadline guards against.
  if (world.chance(0.25)) return
  const late = world.now > worker.sendUntil
  // A3 cannot hold for an owner that sends without a checkpoint after sleeping through the window.
  if (late && !setup.checked && setup.recovery === 'keyed') return rest(worker)
  if (late && setup.checked && !faults.ignoreDeadline) {
    world.act({ type: 'unsent', who, fence: worker.fence, nonce: worker.nonce })
    return rest(worker)
  }
  send(world, worker, worker.probedAbsent)
}

function succeeded(world: WalkWorld, worker: WalkWorker): void {
  toldSuccess(world)
  if (world.setup.spool && world.chance(0.2)) {
    world.spool.push({ kind: 'ok', fence: worker.fence, nonce: worker.nonce })
    return rest(worker)
  }
  const applied = world.act({
    type: 'commit',
    who,
    fence: worker.fence,
    nonce: worker.nonce,
    outcome: outcomeOf(worker.nonce),
  })
  if (world.faults.lostAckReruns && applied && world.chance(0.5)) return send(world, worker)
  rest(worker)
}

function recovering(world: WalkWorld, worker: WalkWorker): void {
  const { setup, faults } = world
  const attempt = { who, fence: worker.fence, nonce: worker.nonce }
  if (setup.probe && (setup.recovery === 'probe' || world.chance(0.4))) return probe(world, worker)
  if (world.chance(0.1)) {
    world.act({ type: 'give-up', ...attempt, reason: 'recovery-failed' })
    return rest(worker)
  }
  const sent = world.act({
    type: 'resend',
    ...attempt,
    leaseMs: WALK.leaseMs,
    checked: setup.checked,
    window: { windowMs: WALK.windowMs, marginMs: WALK.marginMs },
    preconditionHolds: faults.unconditional || world.effects === 0,
  })
  if (!sent) {
    world.act({ type: 'give-up', ...attempt, reason: 'recovery-failed' })
    return rest(worker)
  }
  const windowOver = faults.windowBeforeAwait ? Infinity : windowOverAt(world)
  const lease = faults.windowBeforeAwait ? Infinity : world.now + WALK.leaseMs
  become(worker, { pc: 'marked', sendUntil: Math.min(windowOver, lease), probedAbsent: faults.unconditional })
}

function probe(world: WalkWorld, worker: WalkWorker): void {
  const { faults, setup } = world
  const attempt = { who, fence: worker.fence, nonce: worker.nonce }
  if (world.effects > 0 && !(faults.probeBeforeWait && worker.probedAbsent)) {
    world.act({ type: 'found', ...attempt, outcome: outcomeOf(worker.nonce) })
    return rest(worker)
  }
  if (faults.probeBeforeWait) worker.probedAbsent = true
  const owner = world.workers.some((other) => other !== worker && other.pc !== 'idle' && other.pc !== 'recovering')
  const requiredMs = WALK.quarantineMs + 2_000
  // An unchecked owner may send until it dies, so the wait begins when it is first found dead.
  if (!setup.checked && !worker.foundDead && !faults.ownerAssumedDead) {
    worker.since = world.now
    worker.foundDead = !owner
  }
  const waitedMs = faults.probeAtOnce ? requiredMs : world.now - worker.since
  if (world.act({ type: 'absent', ...attempt, waitedMs, requiredMs, ownerDead: !owner })) rest(worker)
}
