import * as give from './commands.ts'
import { applied, canLand, maySend, owned, run, setWorker, withWorker, type Emit, type Explored } from './moves.ts'
import { at, FIELD, IDLE, PC, RELATION, unpack, type Worker, type World } from './world.ts'

const told = (world: World): string | undefined =>
  at(world, FIELD.effects) === 0 ? 'I4 a caller was told success, nothing happened' : undefined

/** I8: a first send is allowed only while nothing happened and nothing can still land. */
const firstSend = (it: Explored, world: World, index: number): string | undefined =>
  at(world, FIELD.effects) > 0 || canLand(world, it.setup, index)
    ? 'I8 a first send after one that may have acted'
    : undefined

/** Every move of the worker at `index`. */
export function workerMoves(it: Explored, world: World, index: number, emit: Emit): void {
  const worker = unpack(at(world, index))
  const name = `w${index - FIELD.workers}`
  if (worker.pc !== PC.idle) crash(it, world, index, worker, name, emit)
  switch (worker.pc) {
    case PC.idle:
      return idle(it, world, index, name, emit)
    case PC.claimed:
      return claimed(it, world, index, worker, name, emit)
    case PC.marked:
    case PC.adopted:
      return marked(it, world, index, worker, name, emit)
    case PC.sent:
      return sent(it, world, index, worker, name, emit)
    case PC.ok:
      return succeeded(it, world, index, worker, name, emit)
    case PC.no:
      return refused(it, world, index, worker, name, emit)
    case PC.asked:
      return byAttempt(it, world, index, `${name} records a question`, 'ask', give.ask, PC.awaiting, emit)
    case PC.awaiting:
      return byAttempt(it, world, index, `${name} resumes with the answer`, 'resume', give.resume, PC.marked, emit)
    case PC.accepted:
      return byAttempt(it, world, index, `${name} records accepted`, 'accept', give.accept, PC.verifying, emit)
    case PC.verifying:
      return verifying(it, world, index, worker, name, emit)
    default:
  }
}

function crash(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  if (worker.travelling) {
    const field = worker.old ? FIELD.oldOrphans : FIELD.orphans
    if (at(world, field) < it.setup.orphans) {
      const next = [...world]
      next[index] = IDLE
      next[field] = at(world, field) + 1
      emit(`${name} crashes, its request travels on`, next)
    }
    return
  }
  const next = [...world]
  next[index] = IDLE
  emit(`${name} crashes`, next)
}

function idle(it: Explored, world: World, index: number, name: string, emit: Emit): void {
  const { setup, faults } = it
  const struck = at(world, FIELD.amnesia) === 1 && !faults.amnesiaIgnored
  const beyond = faults.keyedBeyondAmnesia && setup.recovery === 'keyed' && at(world, FIELD.window) === 2
  const flags = `${struck ? ' amnesia' : ''}${beyond ? ' beyond' : ''}`
  for (const mark of [false, true]) {
    const text = `claim${mark ? ' mark' : ''}${flags}`
    const sources = faults.blindWrites && at(world, FIELD.struck) === 0 ? [false, true] : [false]
    for (const stale of sources) {
      const from = stale ? at(world, FIELD.backup) : at(world, FIELD.record)
      const step = it.ledger.step(from, text, give.claim(setup, mark, struck, beyond))
      if (!step.ok) continue
      if (setup.recovery === 'transactional' && it.ledger.record(step.to)?.state === 'executing') {
        // Marker, effect and commit are one transaction: nobody sees the states in between.
        transact(it, world, index, `${name} claims and`, step.to, emit)
        continue
      }
      const next = applied(it, world, step, stale)
      if (stale) next[FIELD.struck] = 1
      // T0 leaves a doubt and T4 a claim, whatever the caller asked for: the record's state decides what comes next.
      const state = it.ledger.record(step.to)?.state
      const acts = state === 'executing'
      if (state !== 'in-doubt') owned(it, next, index, { pc: acts ? PC.marked : PC.claimed, guard: acts, owner: true })
      const problem = step.problem ?? (acts ? firstSend(it, next, index) : undefined)
      const reused =
        step.inserted && faults.fenceRestarts && world.some((packed, i) => i >= FIELD.workers && packed !== 0)
      emit(
        `${name} ${step.transition} ${text}${stale ? ' on a stale read' : ''}`,
        next,
        problem ?? (reused ? 'I6 a fence was used twice' : undefined),
      )
    }
  }
  const recover = run(it, world, 'recover', give.recover)
  if (recover.ok) {
    const next = applied(it, world, recover)
    owned(it, next, index, { pc: PC.recovering })
    emit(`${name} T10 begins recovery`, next, recover.problem)
  }
  const verify = run(it, world, 'verify', give.verify)
  if (verify.ok) {
    const next = applied(it, world, verify)
    owned(it, next, index, { pc: PC.verifying })
    emit(`${name} T20 takes the verification over`, next, verify.problem)
  }
  const { state } = it.ledger.record(at(world, FIELD.record)) ?? { state: 'absent' }
  if (state === 'committed' && told(world) !== undefined)
    emit(`${name} is told success from the record`, world, told(world))
  if (faults.failOpen)
    emit(
      `${name} runs without the ledger`,
      withWorker(world, index, { pc: PC.sent, relation: RELATION.older, old: true, travelling: true }),
    )
}

function transact(it: Explored, world: World, index: number, label: string, markedId: number, emit: Emit): void {
  const done = it.ledger.step(markedId, `commit ${RELATION.own}`, give.commit(RELATION.own))
  const next = applied(it, world, done)
  next[FIELD.effects] = Math.min(2, at(world, FIELD.effects) + 1)
  setWorker(next, index, { pc: PC.ok, relation: RELATION.own })
  if (done.ok) emit(`${label} commits effect and record in one transaction`, next, done.problem)
  const refusal = it.ledger.step(markedId, `reject ${RELATION.own}`, give.reject(RELATION.own))
  if (refusal.ok) {
    const after = applied(it, world, refusal)
    after[index] = IDLE
    emit(`${label} records a refusal in one transaction`, after, refusal.problem)
  }
  if (it.faults.tellsFirst) emit(`${label} tells success, then the transaction rolls back`, world, told(world))
}

function claimed(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const { setup, faults } = it
  const mark = run(it, world, `mark ${worker.relation}`, give.mark(worker.relation))
  if (!mark.ok) return
  if (setup.recovery === 'transactional') transact(it, world, index, name, mark.to, emit)
  else {
    const next = applied(it, world, mark)
    setWorker(next, index, { pc: PC.marked, guard: true })
    emit(`${name} T2 writes the marker`, next, mark.problem ?? firstSend(it, next, index))
    if (faults.sendUnmarked)
      emit(`${name} sends without a marker`, withWorker(world, index, { pc: PC.sent, travelling: true }))
  }
  const withdraw = run(it, world, `withdraw ${worker.relation}`, give.withdraw(worker.relation))
  if (withdraw.ok) {
    const next = applied(it, world, withdraw)
    next[index] = IDLE
    emit(`${name} T3 withdraws`, next, withdraw.problem)
  }
}

function marked(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const { setup, faults } = it
  if (worker.guard && setup.checked) emit(`${name}'s deadline passes`, withWorker(world, index, { guard: false }))
  if (setup.recovery === 'composite' && worker.pc === PC.marked) {
    const step = run(it, world, `adopt ${worker.relation}`, give.adopt(worker.relation))
    if (step.ok || step.refusal === 'already') {
      const next = applied(it, world, step)
      setWorker(next, index, { pc: PC.adopted })
      emit(`${name} records its child`, next, step.problem)
    }
  } else if (maySend(worker, setup) || faults.ignoreDeadline) {
    emit(`${name} sends`, withWorker(world, index, { pc: PC.sent, guard: false, travelling: true }))
  }
  answer(it, world, index, worker, `${name} did not send`, 'unsent', emit)
  const step = run(it, world, `doubt ${worker.relation}`, give.doubt(worker.relation))
  if (step.ok) emit(`${name} T8 times out before its byte`, applied(it, world, step), step.problem)
}

/** Records a refusal or a proof of "not sent", whatever the machine makes of it. */
function answer(
  it: Explored,
  world: World,
  index: number,
  worker: Worker,
  label: string,
  type: 'reject' | 'unsent',
  emit: Emit,
): void {
  const step = run(it, world, `${type} ${worker.relation}`, give[type](worker.relation))
  const next = applied(it, world, step)
  next[index] = IDLE
  emit(`${label} (${step.transition ?? step.refusal})`, next, step.problem)
}

function sent(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const step = run(it, world, `doubt ${worker.relation}`, give.doubt(worker.relation))
  if (step.ok) emit(`${name} T8 times out`, applied(it, world, step), step.problem)
  if (it.faults.deleteOnThrow && worker.relation === RELATION.own) {
    const next = [...world]
    next[FIELD.record] = 0
    emit(`${name} times out and deletes the record`, next)
  }
}

function succeeded(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const step = run(it, world, `commit ${worker.relation}`, give.commit(worker.relation))
  const next = applied(it, world, step)
  next[index] = IDLE
  emit(`${name} commits (${step.transition ?? step.refusal})`, next, step.problem ?? told(world))
  if (it.setup.spool && at(world, FIELD.spool) === 0) {
    const kept = [...world]
    kept[FIELD.spool] = at(withWorker(world, index, { owner: false, guard: false }), index)
    kept[index] = IDLE
    emit(`${name} keeps its success in the spool`, kept, told(world))
  }
  if (it.faults.lostAckReruns && step.ok) {
    const again = applied(it, world, step)
    setWorker(again, index, { pc: PC.marked, guard: true })
    emit(`${name} commits, loses the answer and runs again`, again)
  }
}

function refused(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  answer(it, world, index, worker, `${name} records the refusal`, 'reject', emit)
  answer(it, world, index, worker, `${name} records a refusal before execution`, 'unsent', emit)
  if (it.setup.spool && at(world, FIELD.spool) === 0) {
    const kept = [...world]
    kept[FIELD.spool] = at(withWorker(world, index, { owner: false, guard: false }), index)
    kept[index] = IDLE
    emit(`${name} keeps the refusal in the spool`, kept)
  }
}

function byAttempt(
  it: Explored,
  world: World,
  index: number,
  label: string,
  text: 'ask' | 'resume' | 'accept',
  build: typeof give.ask,
  pc: number,
  emit: Emit,
): void {
  const { relation } = unpack(at(world, index))
  const step = run(it, world, `${text} ${relation}`, build(relation))
  const next = applied(it, world, step)
  if (step.ok && step.transition !== 'T8') setWorker(next, index, { pc, guard: pc === PC.marked })
  else next[index] = IDLE
  emit(`${label} (${step.transition ?? step.refusal})`, next, step.problem)
}

function verifying(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const happened = at(world, FIELD.effects) > 0
  const step = run(it, world, `verified ${worker.relation} ${happened}`, give.verified(worker.relation, happened))
  const next = applied(it, world, step)
  next[index] = IDLE
  emit(
    `${name} T20 verifies: ${happened ? 'happened' : 'did not happen'} (${step.transition ?? step.refusal})`,
    next,
    step.problem,
  )
}
