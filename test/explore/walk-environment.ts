import { WALK, type Request, type WalkWorld } from './walk-world.ts'

const who = 'host/boot/1/1'

/** One random move of time, network, people, retention, spool or a mishap. */
export type EnvironmentMove = (world: WalkWorld) => void

/**
 * The moves of one walk, each as often as it is likely. Every walk draws its own likelihoods, some of them none at
 * all (swarm testing): rare orders of events are found sooner than with one mixture for all.
 */
export function environmentMoves(world: WalkWorld): readonly EnvironmentMove[] {
  const all = [passTime, land, sweep, person, drain, mishap, lose]
  const moves = all.flatMap((move) => Array.from({ length: world.pick([0, 1, 1, 4]) }, () => move))
  return moves.length > 0 ? moves : all
}

/** A2: what would land too late is lost, or lands first. */
function passTime(world: WalkWorld): void {
  const to = world.now + world.pick(WALK.stepMs)
  for (
    let due = world.requests.find((request) => request.until <= to);
    due !== undefined;
    due = world.requests.find((request) => request.until <= to)
  ) {
    if (world.chance(0.5)) deliver(world, due)
    else world.requests.splice(world.requests.indexOf(due), 1)
  }
  world.now = to
}

function land(world: WalkWorld): void {
  if (world.requests.length > 0) deliver(world, world.pick(world.requests))
}

type Answer = 'ok' | 'no' | 'asked' | 'accepted'

function deliver(world: WalkWorld, request: Request): void {
  world.requests.splice(world.requests.indexOf(request), 1)
  const answer = downstream(world, request)
  world.trace.push(`${world.now} downstream answers ${answer}, effects ${world.effects}`)
  const { worker } = request
  const listening = worker !== undefined && world.workers.includes(worker) && worker.pc === 'sent'
  if (listening && !request.job && world.chance(0.6)) worker.pc = answer
}

function downstream(world: WalkWorld, request: Request): Answer {
  const { setup } = world
  if (request.job) {
    world.effects++
    return 'ok'
  }
  // What a round began is not begun again by a later one of the same attempt.
  if (
    world.begun.has(request.key) &&
    (setup.recovery !== 'keyed' || (world.stored.get(request.key)?.until ?? 0) > world.now)
  )
    return world.pick(['ok', 'no', 'asked'])
  if (setup.recovery === 'keyed') {
    const known = world.stored.get(request.key)
    if (known !== undefined && known.until > world.now) return known.success ? 'ok' : 'no'
  } else if (
    world.effects > 0 &&
    !request.unconditional &&
    (setup.recovery === 'idempotent' || setup.recovery === 'composite')
  ) {
    return setup.recovery === 'idempotent' && world.chance(0.5) ? 'no' : 'ok'
  }
  if (setup.rounds && setup.recovery !== 'composite' && world.chance(0.15)) {
    if (world.chance(0.5)) return 'asked'
    world.begun.add(request.key)
    world.stored.set(request.key, { until: world.now + WALK.windowMs, success: true })
    world.effects++
    return 'asked'
  }
  if (
    setup.accepts &&
    setup.recovery !== 'keyed' &&
    setup.recovery !== 'composite' &&
    setup.recovery !== 'idempotent' &&
    world.chance(0.1)
  ) {
    world.requests.push({ ...request, worker: undefined, job: true })
    return 'accepted'
  }
  if (world.chance(0.35)) {
    if (world.chance(0.5)) world.stored.set(request.key, { until: world.now + WALK.windowMs, success: false })
    return 'no'
  }
  world.stored.set(request.key, { until: world.now + WALK.windowMs, success: true })
  world.effects++
  return 'ok'
}

function sweep(world: WalkWorld): void {
  if (world.act({ type: 'lapse', who })) return
  if (world.setup.compensation && world.chance(0.1)) {
    world.act({ type: 'compensate', who, nonce: `c${world.now}`, leaseMs: WALK.leaseMs })
    return
  }
  if (world.setup.retention) world.act({ type: 'expire', who })
}

function person(world: WalkWorld): void {
  const { record } = world
  if (record?.state !== 'in-doubt') return
  const verdict = world.effects > 0 ? 'committed' : world.pick(['released', 'released', 'abandoned'] as const)
  // A person sees to it that an unchecked owner is stopped before saying "not done".
  if (!world.setup.checked && world.workers.some((worker) => worker.pc !== 'idle')) return
  world.act({
    type: 'resolve',
    who: 'person',
    verdict,
    note: 'looked',
    quarantineMs: world.faults.personAtOnce ? 0 : WALK.quarantineMs,
    ...(verdict === 'committed' ? { outcome: { kind: 'value', text: 'person', sha256: 'person', size: 6 } } : {}),
  })
}

function drain(world: WalkWorld): void {
  const entry = world.spool.shift()
  if (entry === undefined) return
  const { record } = world
  const forced = world.faults.spoolForcesRefusal && entry.kind === 'no' && record !== undefined
  const attempt = forced
    ? { who, fence: record.fence, nonce: record.nonce }
    : { who, fence: entry.fence, nonce: entry.nonce }
  if (entry.kind === 'no') world.act({ type: 'reject', ...attempt, error: { name: 'Refused', message: 'refused' } })
  else
    world.act({
      type: 'commit',
      ...attempt,
      outcome: { kind: 'value', text: entry.nonce, sha256: entry.nonce, size: 2 },
    })
}

/** The store loses the record and says so. */
function lose(world: WalkWorld): void {
  if (!world.setup.amnesia || world.amnesiaAt > 0 || world.record === undefined || world.chance(0.7)) return
  const state = world.before?.state
  const back = state === 'claimed' || state === 'released' || state === 'rejected'
  world.trace.push(`${world.now} the store loses records, and knows it`)
  world.record = back && world.chance(0.5) ? world.before : undefined
  world.amnesiaAt = world.now
  world.now += 1
  world.lost = true
  world.toldOutcome = undefined
}

function mishap(world: WalkWorld): void {
  const { faults, record } = world
  if (record === undefined) return
  const vanish = (what: string): void => {
    world.trace.push(`${world.now} ${what}`)
    world.record = undefined
    world.history = []
  }
  const running = record.state === 'claimed' || record.state === 'executing'
  if (faults.timeToLive && running && world.now >= record.leaseUntil) vanish('a time-to-live deletes the record')
  else if (faults.silentLoss && world.chance(0.5)) vanish('the store loses the record')
  else if (faults.purgeDoubts && record.state === 'in-doubt') vanish('the doubt is purged')
  else if (faults.versionInKey && !world.struck) {
    world.struck = true
    vanish('a new contract version looks under another key')
  }
}
