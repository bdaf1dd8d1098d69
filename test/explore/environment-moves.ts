import * as give from './commands.ts'
import { MARKED_AT, NOW, QUARANTINE, WINDOW_MS } from './ledger.ts'
import {
  anythingTravels,
  applied,
  canLand,
  maySend,
  questionStands,
  run,
  setWorker,
  type Emit,
  type Explored,
} from './moves.ts'
import { at, FIELD, pack, PC, RELATION, STORED, unpack, WINDOW, type World } from './world.ts'

const OPEN_FOR_LEASE = ['claimed', 'executing', 'awaiting-input', 'accepted', 'recovering']

/** Time, the sweeper, people, retention, the spool: everything that is no worker and no network. */
export function environmentMoves(it: Explored, world: World, emit: Emit): void {
  time(it, world, emit)
  sweeper(it, world, emit)
  person(it, world, emit)
  spool(it, world, emit)
  if (it.setup.amnesia) loss(it, world, emit)
  mishaps(it, world, emit)
}

function withRecord(world: World, record: number): number[] {
  const next = [...world]
  next[FIELD.record] = record
  return next
}

function time(it: Explored, world: World, emit: Emit): void {
  const { ledger, setup } = it
  const id = at(world, FIELD.record)
  const record = ledger.record(id)
  if (record !== undefined) {
    if (OPEN_FOR_LEASE.includes(record.state) && record.leaseUntil > NOW) {
      emit(
        'the lease is over',
        withRecord(
          world,
          ledger.age(id, 'lease', () => ({ leaseUntil: 0 })),
        ),
      )
    }
    if (record.state === 'in-doubt' && record.doubtAt === NOW) {
      // A2: nothing can land once the quarantine is over. Unchecked owners are the person's to see stopped.
      if (!canLand(world, setup))
        emit(
          'the quarantine of the doubt is over',
          withRecord(
            world,
            ledger.age(id, 'doubt', () => ({ doubtAt: NOW - QUARANTINE })),
          ),
        )
    }
    if (setup.retention && at(world, FIELD.amnesia) === 0 && record.updatedAt === NOW) {
      const aged = ledger.age(id, 'retention', () => ({ updatedAt: NOW - WINDOW_MS }))
      if (aged !== id) emit('the retention is over', withRecord(world, aged))
    }
  }
  if (setup.recovery === 'keyed') window(it, world, emit)
}

/** A3: the downstream remembers a success for the window, and the margin covers what still travels. */
function window(it: Explored, world: World, emit: Emit): void {
  const { ledger, setup, faults } = it
  const id = at(world, FIELD.record)
  const stored = at(world, FIELD.stored)
  if (at(world, FIELD.window) === WINDOW.open) {
    let senders = false
    for (let i = FIELD.workers; i < world.length; i++) {
      const worker = unpack(at(world, i))
      if (!worker.old && maySend(worker, setup)) senders = true
    }
    const record = ledger.record(id)
    const started = record?.firstSendAt === NOW || stored !== STORED.nothing || currentTravels(world)
    // A question stands no longer than the window: a later round goes out under the same key (T19).
    if (record?.state === 'awaiting-input' && record.leaseUntil > NOW && !faults.questionOutlivesKey) senders = true
    // The sender's deadline is never later than the window's margin (T13), unless a fault made it so.
    if (started && (!senders || faults.windowBeforeAwait)) {
      const next = withRecord(
        world,
        ledger.age(id, 'margin', (r) => (r.firstSendAt === 0 ? {} : { firstSendAt: NOW - WINDOW_MS })),
      )
      next[FIELD.window] = WINDOW.margin
      emit('only the margin of the window is left', next)
    }
  }
  const forgets = stored === STORED.refusal || (at(world, FIELD.window) === WINDOW.margin && !currentTravels(world))
  if (stored !== STORED.nothing && forgets) {
    const next = [...world]
    next[FIELD.stored] = STORED.nothing
    emit('the downstream forgets the key', next)
  }
}

/** True while a request under the current downstream key travels. */
function currentTravels(world: World): boolean {
  if (at(world, FIELD.orphans) > 0) return true
  for (let i = FIELD.workers; i < world.length; i++) {
    const worker = unpack(at(world, i))
    if (worker.travelling && !worker.old) return true
  }
  return false
}

function sweeper(it: Explored, world: World, emit: Emit): void {
  const simple = [
    ['the sweeper finds the lease over', 'lapse', give.lapse],
    ['the owner shuts down', 'shutdown', give.shutdown],
    ['T21 compensation begins', 'compensate', give.compensate],
    ['T21 compensation is done', 'compensated', give.compensated],
    ['T17 retention', 'expire', give.expire],
  ] as const
  for (const [label, name, build] of simple) {
    if (name === 'compensate' && !it.setup.compensation) continue
    const step = run(it, world, name, build)
    if (step.ok) emit(`${label} (${step.transition})`, applied(it, world, step), step.problem)
  }
  const heartbeat = run(it, world, 'heartbeat', give.heartbeat(RELATION.own))
  if (heartbeat.ok && heartbeat.to !== at(world, FIELD.record)) {
    const owner = world.some((packed, i) => i >= FIELD.workers && unpack(packed).relation === RELATION.own)
    if (owner) emit('a heartbeat extends the lease', applied(it, world, heartbeat), heartbeat.problem)
  }
}

function person(it: Explored, world: World, emit: Emit): void {
  const happened = at(world, FIELD.effects) > 0
  for (const verdict of ['committed', 'released', 'abandoned'] as const) {
    // People look before they speak; whether they looked too early is for the quarantine to prevent.
    if (verdict === 'committed' ? !happened : verdict === 'released' && happened) continue
    const step = run(it, world, `resolve ${verdict}`, give.resolve(verdict, it.faults.personAtOnce))
    if (step.ok) emit(`a person resolves: ${verdict}`, applied(it, world, step), step.problem)
  }
}

function spool(it: Explored, world: World, emit: Emit): void {
  const packed = at(world, FIELD.spool)
  if (packed === 0) return
  const { pc, relation } = unpack(packed)
  const forced = it.faults.spoolForcesRefusal && pc === PC.no
  const who = forced ? RELATION.own : relation
  const stands = questionStands(it, world)
  const step =
    pc === PC.ok
      ? run(it, world, `commit ${who}`, give.commit(who))
      : run(it, world, `reject ${who} ${stands}`, give.reject(who, stands))
  const next = applied(it, world, step)
  next[FIELD.spool] = 0
  emit(
    `the spool replays a ${pc === PC.ok ? 'success' : 'refusal'} (${step.transition ?? step.refusal})`,
    next,
    step.problem,
  )
}

/** The store loses what it acknowledged, once, and sets the mark with it: nothing is left, or an older record. */
function loss(it: Explored, world: World, emit: Emit): void {
  if (at(world, FIELD.amnesia) === 1) return
  const id = at(world, FIELD.record)
  if (at(world, FIELD.backup) === 0 && id !== 0) {
    const next = [...world]
    next[FIELD.backup] = id
    for (let i = FIELD.spool; i < next.length; i += i === FIELD.spool ? FIELD.workers - FIELD.spool : 1) {
      const worker = unpack(next[i] as number)
      if (worker.relation !== RELATION.none) next[i] = pack({ ...worker, backup: worker.relation })
    }
    emit('a backup is taken', next)
  }
  const gone = [...world]
  gone[FIELD.record] = 0
  gone[FIELD.backup] = 0
  gone[FIELD.amnesia] = 1
  if (id !== 0) emit('the store loses the record and knows it', forgetBackup(gone))
  const backup = at(world, FIELD.backup)
  const state = it.ledger.record(backup)?.state
  if (state !== 'claimed' && state !== 'released' && state !== 'rejected') return
  const back = [...gone]
  back[FIELD.record] = it.ledger.age(backup, 'restored', () => ({ updatedAt: MARKED_AT, leaseUntil: 0 }))
  for (let i = FIELD.spool; i < back.length; i += i === FIELD.spool ? FIELD.workers - FIELD.spool : 1) {
    const worker = unpack(back[i] as number)
    if (worker.relation !== RELATION.none) back[i] = pack({ ...worker, relation: worker.backup })
  }
  emit(`the store falls back to an earlier record (${state}) and knows it`, forgetBackup(back))
}

function forgetBackup(next: number[]): number[] {
  for (let i = FIELD.spool; i < next.length; i += i === FIELD.spool ? FIELD.workers - FIELD.spool : 1) {
    const worker = unpack(next[i] as number)
    if (worker.relation !== RELATION.none) next[i] = pack({ ...worker, backup: RELATION.none })
  }
  return next
}

/** What only a faulty engine or store does. */
function mishaps(it: Explored, world: World, emit: Emit): void {
  const { faults, ledger } = it
  const id = at(world, FIELD.record)
  const record = ledger.record(id)
  if (record === undefined) return
  const { state } = record
  const vanish = (label: string): void => emit(label, withRecord(world, 0))
  if (faults.timeToLive && (state === 'claimed' || state === 'executing') && record.leaseUntil <= NOW)
    vanish('a time-to-live deletes the record')
  if (faults.silentLoss) vanish('the store loses the record silently')
  if (faults.purgeDoubts && state === 'in-doubt') vanish('the doubt is purged')
  if (faults.versionInKey && at(world, FIELD.struck) === 0) {
    const next = withRecord(world, 0)
    next[FIELD.struck] = 1
    next[FIELD.stored] = STORED.nothing
    for (let i = FIELD.workers; i < next.length; i++) if (next[i] !== 0) setWorker(next, i, { old: true })
    emit('a new contract version looks under another key', next)
  }
  if (faults.staleReads) {
    const before = ledger.record(at(world, FIELD.backup))?.state
    if ((before === 'released' || before === 'rejected') && (at(world, FIELD.effects) > 0 || anythingTravels(world))) {
      emit(
        `a caller is told "not done" by a replica (${before})`,
        world,
        'I4 a caller was told not done, it was or may be',
      )
    }
  }
}
