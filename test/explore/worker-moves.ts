import * as give from './commands.ts'
import { NOW } from './ledger.ts'
import {
  applied,
  canLand,
  maySend,
  owned,
  questionStands,
  run,
  setWorker,
  withWorker,
  type Emit,
  type Explored,
} from './moves.ts'
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
      return asked(it, world, index, worker, name, emit)
    case PC.accepted:
      return accepted(it, world, index, worker, name, emit)
    case PC.working:
      return working(it, world, index, worker, name, emit)
    case PC.undone:
    case PC.unknown:
      return withdrawn(it, world, index, worker, name, emit)
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
  // A transactional tool's marker comes with its outcome.
  for (const mark of setup.recovery === 'transactional' ? [false] : [false, true]) {
    const text = `claim${mark ? ' mark' : ''}${flags}`
    const sources = faults.blindWrites && at(world, FIELD.struck) === 0 ? [false, true] : [false]
    for (const stale of sources) {
      const from = stale ? at(world, FIELD.backup) : at(world, FIELD.record)
      const step = it.ledger.step(from, text, give.claim(setup, mark, struck, beyond))
      if (!step.ok) continue
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
  const resume = run(it, world, 'resume', give.resume(RELATION.own))
  if (resume.ok && (it.ledger.record(at(world, FIELD.record))?.leaseUntil ?? 0) > NOW) {
    // The attempt goes on in whichever process its caller comes back.
    const next = applied(it, world, resume)
    owned(it, next, index, { pc: PC.marked, guard: true, owner: true })
    emit(`${name} T19 resumes with the answer`, next, resume.problem)
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

/** Marker, effect and outcome are committed as one, if the claim still stands; what happens in between, nobody sees. */
function working(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const { faults } = it
  const { relation } = worker
  const mark = run(it, world, `mark ${relation}`, give.mark(relation))
  if (mark.ok && !faults.recordApart) {
    const commit = it.ledger.step(mark.to, `commit ${relation}`, give.commit(relation))
    const next = applied(it, world, commit)
    next[FIELD.effects] = Math.min(2, at(world, FIELD.effects) + 1)
    setWorker(next, index, { pc: PC.idle })
    emit(`${name} commits effect, T2 and T5 as one`, next, mark.problem ?? commit.problem)
    const unheard = [...next]
    setWorker(unheard, index, { pc: PC.unknown, relation: RELATION.own })
    emit(`${name} commits effect, T2 and T5 as one, the answer is lost`, unheard)
  }
  if (faults.recordApart || (faults.blindCommit && !mark.ok)) {
    const next = withWorker(world, index, { pc: faults.recordApart ? PC.ok : PC.idle })
    next[FIELD.effects] = Math.min(2, at(world, FIELD.effects) + 1)
    emit(`${name} commits its effect without its record`, next)
  }
  emit(`${name}'s transaction is undone`, withWorker(world, index, { pc: PC.undone }))
  emit(`${name}'s transaction ends, nobody knows how`, withWorker(world, index, { pc: PC.unknown }))
  if (faults.tellsFirst) emit(`${name} tells success, then the transaction rolls back`, world, told(world))
}

/** T3 after an undone transaction; after one of an unknown end the row says what became of it. */
function withdrawn(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const done = it.ledger.record(at(world, FIELD.record))?.state === 'committed' && worker.relation === RELATION.own
  if (worker.pc === PC.unknown && done) {
    const next = [...world]
    next[index] = IDLE
    emit(`${name} reads that it committed`, next, told(world))
    return
  }
  const step = run(it, world, `withdraw ${worker.relation}`, give.withdraw(worker.relation))
  const next = applied(it, world, step)
  next[index] = IDLE
  emit(`${name} withdraws (${step.transition ?? step.refusal})`, next, step.problem)
}

function claimed(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const { setup, faults } = it
  if (setup.recovery === 'transactional')
    emit(`${name} begins a transaction`, withWorker(world, index, { pc: PC.working }))
  const mark = run(it, world, `mark ${worker.relation}`, give.mark(worker.relation))
  if (!mark.ok) return
  if (setup.recovery !== 'transactional') {
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
  const stands = questionStands(it, world)
  const step = run(it, world, `${type} ${worker.relation} ${stands}`, give[type](worker.relation, stands))
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

function asked(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const stands = questionStands(it, world)
  const step = run(it, world, `ask ${worker.relation} ${stands}`, give.ask(worker.relation, stands))
  const next = applied(it, world, step)
  next[index] = IDLE
  emit(`${name} records a question (${step.transition ?? step.refusal})`, next, step.problem)
}

function accepted(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const step = run(it, world, `accept ${worker.relation}`, give.accept(worker.relation))
  const next = applied(it, world, step)
  if (step.ok) setWorker(next, index, { pc: PC.verifying, guard: false })
  else next[index] = IDLE
  emit(`${name} records accepted (${step.transition ?? step.refusal})`, next, step.problem)
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
