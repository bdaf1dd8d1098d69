import type { FaultPoint } from '../../src/engine/index.ts'
import type { Fault } from '../support/downstream.ts'
import { seeded, type Random } from './random.ts'
import { KINDS, partsOf, type Kind, type Moment, type Task, type Work } from './task.ts'

/** One process of a plan: how it works and how it dies. Without a death it comes to its end. */
export type ProcessPlan = Pick<Task, 'concurrent' | 'die' | 'stall' | 'lock'> & {
  /** SIGKILL from outside, so long after its start or after its ledger was open. */
  readonly kill?: { readonly from: 'spawn' | 'go'; readonly ms: number }
  /** Starts so much later than its neighbours. */
  readonly delayMs?: number
}

/** A few operations and the lives of the processes that work on them: the next life begins when the last has ended. */
export interface Cell {
  readonly name: string
  readonly works: readonly Work[]
  readonly lives: readonly (readonly ProcessPlan[])[]
  readonly faults: ReadonlyMap<string, readonly Fault[]>
  /** Whether somebody calls the operations again afterwards; otherwise housekeeping has to settle them alone. */
  readonly calledAgain: boolean
}

/** Cells that share one ledger, killed side by side, then settled by one process. */
export interface Wave {
  readonly cells: readonly Cell[]
  readonly plannedKills: number
}

const FIRST_POINTS: readonly FaultPoint[] = [
  'before-claim',
  'claimed',
  'prepared',
  'marked',
  'answered',
  'before-commit',
  'committed',
]

const RESEND_POINTS: readonly FaultPoint[] = [
  'recovering',
  'before-resend',
  'marked',
  'answered',
  'before-commit',
  'committed',
]

/** Where a second process dies that finds the operation of a dead one in doubt. */
const RECOVERY_POINTS: Record<Kind, readonly FaultPoint[]> = {
  keyed: RESEND_POINTS,
  'keyed-probe': RESEND_POINTS,
  probe: ['recovering', 'probed', 'recovered'],
  'probe-unchecked': ['recovering', 'probed', 'recovered'],
  idempotent: RESEND_POINTS,
  manual: [],
  composite: RESEND_POINTS,
}

/** Every place to die at once for every kind of tool, then again from the beginning. */
function labels(random: Random): () => { readonly kind: Kind; readonly prepared: boolean; readonly point: FaultPoint } {
  const all = KINDS.flatMap((kind) =>
    [false, true].flatMap((prepared) =>
      FIRST_POINTS.filter((point) => prepared || point !== 'prepared').map((point) => ({ kind, prepared, point })),
    ),
  )
  let left: typeof all = []
  return () => {
    if (left.length === 0)
      left = all
        .map((label) => ({ label, at: random.next() }))
        .toSorted((a, b) => a.at - b.at)
        .map(({ label }) => label)
    return left.pop() as (typeof all)[number]
  }
}

/** Waves without end, the same for the same seed. @param most planned kills a wave */
export function* plans(seed: number, most: number): Generator<Wave> {
  const random = seeded(seed)
  const nextLabel = labels(random)
  let names = 0
  const newWork = (kind: Kind, prepared: boolean): Work => ({ kind, prepared, ref: `op-${(names += 1)}` })
  const anyWork = (): Work => newWork(random.pick(KINDS), random.chance(0.3))
  const works = (atMost: number, first: Work = anyWork()): Work[] => [
    first,
    ...Array.from({ length: random.between(0, atMost - 1) }, anyWork),
  ]

  function faultsFor(cellWorks: readonly Work[], share: number): Map<string, readonly Fault[]> {
    const faults = new Map<string, readonly Fault[]>()
    for (const work of cellWorks) {
      for (const part of partsOf(work)) if (random.chance(share)) faults.set(part, [anyFault(work)])
    }
    return faults
  }

  function anyFault(work: Work): Fault {
    const choices: Fault[] = [
      'lose-answer',
      'lose-request',
      'fail-after',
      'fail-before',
      'stall:20',
      'slow:40',
      'slow:90',
    ]
    if (work.kind !== 'composite') choices.push('refuse')
    return random.pick(choices)
  }

  const killAtRandom = (): NonNullable<ProcessPlan['kill']> =>
    random.chance(0.25) ? { from: 'spawn', ms: random.between(20, 160) } : { from: 'go', ms: random.between(0, 60) }

  /** A process that goes on with what another left, and dies doing so; the lapsed lease has to be waited for. */
  const dyingRecoverer = (kind: Kind): ProcessPlan => {
    const points = RECOVERY_POINTS[kind]
    if (points.length === 0 || random.chance(0.2)) {
      return { concurrent: false, kill: { from: 'go', ms: random.between(0, 450) } }
    }
    return { concurrent: false, die: { point: random.pick(points), nth: 1 } }
  }

  function atLabel(): Omit<Cell, 'calledAgain'> {
    const { kind, prepared, point } = nextLabel()
    const concurrent = random.chance(0.4)
    const cellWorks = works(3, newWork(kind, prepared))
    const die: Moment = { point, nth: kind === 'composite' ? random.between(1, 3) : 1 }
    const lives: ProcessPlan[][] = [[{ concurrent, die }]]
    if (random.chance(0.5)) lives.push([dyingRecoverer(kind)])
    if (lives.length === 2 && random.chance(0.4)) lives.push([dyingRecoverer(kind)])
    return { name: `at ${point}`, works: cellWorks, lives, faults: faultsFor(cellWorks.slice(1), 0.3) }
  }

  function inDoubt(): Omit<Cell, 'calledAgain'> {
    const work = anyWork()
    const fault = random.pick<Fault>(['lose-answer', 'fail-after', 'lose-request', 'fail-before'])
    const point = random.pick<FaultPoint>(['before-doubt', 'doubted', ...RECOVERY_POINTS[work.kind]])
    const lives: ProcessPlan[][] = [
      [{ concurrent: random.chance(0.4), die: { point, nth: 1 } }],
      [dyingRecoverer(work.kind)],
    ]
    return { name: 'lost answers', works: [work], lives, faults: new Map(partsOf(work).map((part) => [part, [fault]])) }
  }

  function atRandom(): Omit<Cell, 'calledAgain'> {
    const cellWorks = works(4)
    const lives: ProcessPlan[][] = [[{ concurrent: random.chance(0.6), kill: killAtRandom() }]]
    while (lives.length < 3 && random.chance(0.5))
      lives.push([{ concurrent: random.chance(0.5), kill: killAtRandom() }])
    return { name: 'at random', works: cellWorks, lives, faults: faultsFor(cellWorks, 0.6) }
  }

  /** Several processes on the same operations at once; each dies in its own way. */
  function crowd(): Omit<Cell, 'calledAgain'> {
    const cellWorks = works(3)
    const member = (): ProcessPlan =>
      random.chance(0.5)
        ? { concurrent: random.chance(0.5), kill: killAtRandom() }
        : { concurrent: random.chance(0.5), die: { point: random.pick(FIRST_POINTS), nth: random.between(1, 2) } }
    return {
      name: 'several processes',
      works: cellWorks,
      lives: [Array.from({ length: random.between(2, 3) }, member)],
      faults: faultsFor(cellWorks, 0.4),
    }
  }

  /** The ledger takes no write when the answer comes: it goes into the spool, and so may the process go. */
  function locked(): Omit<Cell, 'calledAgain'> {
    // A manual tool has nothing but the spool; a refusal matters where recovery would send again.
    const refused = random.chance(0.3)
    const kind = random.pick<Kind>(
      refused ? ['keyed', 'keyed-probe', 'idempotent'] : ['manual', 'manual', 'manual', ...KINDS],
    )
    const work = newWork(kind, random.chance(0.3))
    const lock = { thenDie: !refused && random.chance(0.85) }
    return {
      name: 'ledger locked',
      works: [work],
      lives: [[{ concurrent: false, lock }]],
      faults: refused ? new Map([[work.ref, ['refuse']]]) : new Map(),
    }
  }

  /** A process stands still past its lease and goes on, while another has taken over. */
  function zombie(): Omit<Cell, 'calledAgain'> {
    const work = anyWork()
    const point = random.pick<FaultPoint>([
      'before-claim',
      'claimed',
      'prepared',
      'marked',
      'answered',
      'before-commit',
    ])
    const stall = { point, nth: 1, ms: random.between(350, 900) }
    return {
      name: 'zombie',
      works: [work],
      lives: [
        [
          { concurrent: false, stall },
          { concurrent: false, delayMs: 150, die: { point: 'committed', nth: 1 } },
        ],
      ],
      faults: random.chance(0.3) ? faultsFor([work], 1) : new Map(),
    }
  }

  const recipes: readonly (readonly [weight: number, () => Omit<Cell, 'calledAgain'>])[] = [
    [40, atLabel],
    [12, inDoubt],
    [24, atRandom],
    [12, crowd],
    [6, locked],
    [4, zombie],
  ]
  const weights = recipes.reduce((sum, [weight]) => sum + weight, 0)

  function anyCell(): Cell {
    let at = random.next() * weights
    const [, recipe] = recipes.find(([weight]) => (at -= weight) < 0) ?? (recipes[0] as (typeof recipes)[number])
    return { ...recipe(), calledAgain: random.chance(0.6) }
  }

  for (;;) {
    const cells: Cell[] = []
    let plannedKills = 0
    while (plannedKills < most) {
      const cell = anyCell()
      cells.push(cell)
      plannedKills += cell.lives.flat().length
    }
    yield { cells, plannedKills }
  }
}
