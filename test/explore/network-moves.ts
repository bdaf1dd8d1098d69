import { setWorker, type Draft, type Emit, type Explored } from './moves.ts'
import { at, FIELD, PC, STORED, unpack, type World } from './world.ts'

/** One way in which the downstream may take a request. */
interface Landing {
  readonly how: string
  readonly change: (next: Draft) => void
  /** The answer it gives; {@link PC} of the worker that hears it. */
  readonly answer: number
}

const effect = (next: Draft): void => {
  next[FIELD.effects] = Math.min(2, (next[FIELD.effects] as number) + 1)
}

const store =
  (value: number) =>
  (next: Draft): void => {
    next[FIELD.stored] = value
  }

const nothing = (): void => {}

/** Everything that the downstream may do with a request under the current key, or under an earlier one (`old`). */
function landings(it: Explored, world: World, old: boolean): readonly Landing[] {
  const { setup } = it
  const happened = at(world, FIELD.effects) > 0
  const refuses: Landing = { how: 'is refused', change: nothing, answer: PC.no }
  const plain: Landing[] = [{ how: 'takes effect', change: effect, answer: PC.ok }, refuses]
  const asks: Landing = { how: 'is answered with a question', change: nothing, answer: PC.asked }
  const later = (next: Draft): void => {
    next[FIELD.job] = 1
  }
  const accepts: readonly Landing[] =
    setup.accepts && at(world, FIELD.job) === 0 && !happened
      ? [{ how: 'is accepted for later', change: later, answer: PC.accepted }]
      : []
  const begins = (next: Draft): void => {
    effect(next)
    next[FIELD.begun] = 1
    if (setup.recovery === 'keyed') store(STORED.success)(next)
  }
  const rounds: readonly Landing[] =
    !setup.rounds || setup.recovery === 'composite'
      ? []
      : happened
        ? [asks]
        : [asks, { how: 'takes effect and is answered with a question', change: begins, answer: PC.asked }]
  const extra = [...rounds, ...accepts]
  if (old) return plain
  // What a round began is not begun again by a later one of the same attempt, as long as the downstream knows it.
  if (at(world, FIELD.begun) === 1 && (setup.recovery !== 'keyed' || at(world, FIELD.stored) === STORED.success))
    return [{ how: 'goes on with what was begun', change: nothing, answer: PC.ok }, refuses, asks]
  switch (setup.recovery) {
    case 'keyed': {
      const stored = at(world, FIELD.stored)
      if (stored === STORED.refusal) return [{ ...refuses, how: 'is refused again by its key' }]
      if (stored === STORED.success) {
        return [{ how: 'is recognised by its key', change: nothing, answer: happened ? PC.ok : PC.accepted }]
      }
      const first =
        (then: (next: Draft) => void) =>
        (next: Draft): void => {
          store(STORED.success)(next)
          then(next)
        }
      return [
        { how: 'takes effect', change: first(effect), answer: PC.ok },
        refuses,
        { how: 'is refused, which the key remembers', change: store(STORED.refusal), answer: PC.no },
        ...rounds,
        ...accepts.map((landing) => ({ ...landing, change: first(landing.change) })),
      ]
    }
    case 'idempotent':
      if (!happened) return [...plain, ...extra]
      return [
        { how: 'changes nothing a second time', change: nothing, answer: PC.ok },
        { how: 'fails its precondition', change: nothing, answer: PC.no },
      ]
    case 'composite':
      // The child is an operation of its own: committed, it replays; refused, it may run again.
      return happened ? [{ how: 'is replayed by the child', change: nothing, answer: PC.ok }] : plain
    default:
      return [...plain, ...extra]
  }
}

const REPEATABLE = ['keyed', 'idempotent', 'composite'] as const

/** Every move of the network and the downstream. */
export function networkMoves(it: Explored, world: World, emit: Emit): void {
  for (let i = FIELD.workers; i < world.length; i++) {
    const worker = unpack(at(world, i))
    if (!worker.travelling) continue
    const name = `w${i - FIELD.workers}'s request`
    const lost = [...world]
    setWorker(lost, i, { travelling: false })
    emit(`${name} is lost`, lost)
    for (const { how, change, answer } of landings(it, world, worker.old)) {
      const heard = [...world]
      change(heard)
      setWorker(heard, i, { travelling: false, pc: answer })
      emit(`${name} ${how}`, heard)
      const unheard = [...world]
      change(unheard)
      setWorker(unheard, i, { travelling: false })
      emit(`${name} ${how}, the answer is lost`, unheard)
    }
  }
  orphans(it, world, FIELD.orphans, false, emit)
  orphans(it, world, FIELD.oldOrphans, true, emit)
  if (at(world, FIELD.job) === 1) {
    const dropped = [...world]
    dropped[FIELD.job] = 0
    emit('the accepted job never runs', dropped)
    const done = [...world]
    done[FIELD.job] = 0
    if (it.setup.recovery !== 'idempotent' || at(world, FIELD.effects) === 0) effect(done)
    emit('the accepted job takes effect', done)
  }
}

function orphans(it: Explored, world: World, field: number, old: boolean, emit: Emit): void {
  if (at(world, field) === 0) return
  const lost = [...world]
  lost[field] = at(world, field) - 1
  emit('a late request is lost', lost)
  const repeatable = !old && (REPEATABLE as readonly string[]).includes(it.setup.recovery)
  for (const { how, change } of landings(it, world, old)) {
    const landed = [...world]
    change(landed)
    if (repeatable) emit(`a late request ${how}, and travels a second time`, landed)
    const gone = [...landed]
    gone[field] = at(world, field) - 1
    emit(`a late request ${how}`, gone)
  }
}
