import * as give from './commands.ts'
import {
  anythingTravels,
  applied,
  canLand,
  owned,
  run,
  setWorker,
  withWorker,
  type Emit,
  type Explored,
} from './moves.ts'
import { at, FIELD, IDLE, PC, RELATION, unpack, type Worker, type World } from './world.ts'

/** Every move of a worker between T10 and the end of its recovery. */
export function recovererMoves(it: Explored, world: World, index: number, emit: Emit): void {
  const worker = unpack(at(world, index))
  if (worker.pc !== PC.recovering && worker.pc !== PC.waited) return
  const name = `w${index - FIELD.workers}`
  const step = run(it, world, `give up ${worker.relation}`, give.giveUp(worker.relation))
  const next = applied(it, world, step)
  next[index] = IDLE
  emit(`${name} T14 gives up (${step.transition ?? step.refusal})`, next, step.problem)
  if (worker.pc === PC.recovering) resend(it, world, index, worker, name, emit)
  if (it.setup.probe) probe(it, world, index, worker, name, emit)
}

function resend(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const { setup, faults } = it
  // The precondition is asked of the downstream: it holds as long as our effect has not changed what it names.
  const holds = faults.unconditional || at(world, FIELD.effects) === 0
  const step = run(it, world, `resend ${worker.relation} ${holds}`, give.resend(worker.relation, holds))
  if (!step.ok) return
  const next = applied(it, world, step)
  owned(it, next, index, { pc: PC.marked, guard: true, owner: true })
  // A re-apply without its precondition is a plain request, like one under a key that nobody knows.
  if (faults.unconditional && setup.recovery === 'idempotent') setWorker(next, index, { old: true })
  emit(`${name} T13 sends again`, next, step.problem)
}

function probe(it: Explored, world: World, index: number, worker: Worker, name: string, emit: Emit): void {
  const { faults, setup } = it
  const happened = at(world, FIELD.effects) > 0
  if (happened) {
    const step = run(it, world, `found ${worker.relation}`, give.found(worker.relation))
    const next = applied(it, world, step)
    next[index] = IDLE
    emit(`${name} T11 found it (${step.transition ?? step.refusal})`, next, step.problem)
  }
  if (worker.pc === PC.recovering) {
    // A2 and A4 as an event: the wait is over only when nothing sent before T10 can still land.
    // Unchecked owners may send until they die, so their wait begins when they are found dead.
    const quiet = setup.checked
      ? !canLand(world, setup, index)
      : (faults.ownerAssumedDead || ownerIsDead(world, index)) && !anythingTravels(world)
    if (quiet || worker.relation !== RELATION.own)
      emit(`${name} has waited`, withWorker(world, index, { pc: PC.waited }))
    if (faults.probeAtOnce && !happened) absent(it, world, index, worker, `${name} believes an early "absent"`, emit)
    if (faults.probeBeforeWait && !happened) {
      emit(`${name} asks before it waits: absent`, withWorker(world, index, { old: true }))
    }
    return
  }
  const early = faults.probeBeforeWait && worker.old
  if (!happened || early) absent(it, world, index, worker, `${name} T12 absent`, emit)
}

function absent(it: Explored, world: World, index: number, worker: Worker, label: string, emit: Emit): void {
  const ownerDead = ownerIsDead(world, index)
  // The machine's own refusal ('owner') just leaves the recoverer where it is.
  const step = run(it, world, `absent ${worker.relation} ${ownerDead}`, give.absent(worker.relation, true, ownerDead))
  if (!step.ok && step.refusal === 'owner') return
  const next = applied(it, world, step)
  next[index] = IDLE
  emit(`${label} (${step.transition ?? step.refusal})`, next, step.problem)
}

/** No living worker is the process that the record names as owner. */
function ownerIsDead(world: World, index: number): boolean {
  for (let i = FIELD.workers; i < world.length; i++) if (i !== index && unpack(at(world, i)).owner) return false
  return true
}
