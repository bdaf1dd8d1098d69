import { agent, answerTo, anyEngine, callOnce, pause, resetCalls, runIn, undo, type Want } from './agent.ts'
import { Coverage } from './coverage.ts'
import { Downstream } from './downstream.ts'
import { Engine } from './engine.ts'
import { startIncidents } from './incidents.ts'
import { NO_MUTATION, type Mutation } from './mutants.ts'
import { misuse } from './misuse.ts'
import { person } from './people.ts'
import { DAY, isWindowed, planOf, QUIET_AT, SETTLES_WITHIN, type Kind, type Plan } from './plan.ts'
import { Random } from './random.ts'
import { Scheduler } from './scheduler.ts'
import { sequenceRun } from './sequences.ts'
import { checkEnd, unsettled } from './settled.ts'
import { Told } from './told.ts'
import { Truth } from './truth.ts'
import { Violation } from './oracle.ts'
import { Ledgerkeeper } from './watch.ts'
import { wantsOf } from './wants.ts'
import type { World } from './world.ts'

/** What one schedule came to. */
export interface Result {
  readonly seed: number
  readonly plan: Plan
  readonly violation: unknown
  /** Equal for two runs that did the same. */
  readonly fingerprint: string
  readonly steps: number
  readonly lines: readonly string[] | undefined
}

export interface SimulateOptions {
  readonly kind?: Kind | undefined
  readonly mutation?: Mutation
  readonly plan?: Partial<Plan> | undefined
  readonly coverage?: Coverage
  readonly trace?: boolean
}

const START = 1_000_000_000

export function worldOf(plan: Plan, options: SimulateOptions): World {
  const scheduler = new Scheduler(START, options.trace === true)
  const random = new Random(plan.seed + 0.5 * 2 ** 31)
  const mutation = options.mutation ?? NO_MUTATION
  const hosts = [0, 1].map((index) => ({
    name: `host${index}`,
    bootOffset: 1_000_000 * (index + 1) - START,
    wallOffset: 0,
    spool: { entries: [] },
  }))
  const world = {
    plan,
    random,
    scheduler,
    hosts,
    mutation,
    coverage: options.coverage ?? new Coverage(),
    engines: [] as Engine[],
    waiting: new Set(),
    quiet: false,
    crashesLeft: plan.crashes,
    storeDown: false,
    diskFull: false,
    frozenUntil: 0,
    storeOffset: 0,
  } as unknown as { -readonly [Name in keyof World]: World[Name] }
  world.truth = new Truth(
    () => scheduler.now + world.storeOffset,
    mutation.truth ?? {},
    (written) => world.keeper.written(written),
  )
  world.downstream = new Downstream(world)
  world.keeper = new Ledgerkeeper(world)
  world.told = new Told(world)
  return world
}

/** Runs the schedule of one seed to its end, or to the first promise that is broken. */
export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Result> {
  const plan = { ...planOf(seed, options.kind), ...options.plan }
  const world = worldOf(plan, options)
  const { scheduler, coverage } = world
  resetCalls()
  coverage.hit(`kind:${plan.kind}`)
  let over = false
  plan.hosts.forEach((host, index) => boot(world, host, index === 1))
  void story(world).then(
    () => (over = true),
    (error: unknown) => scheduler.fail(error),
  )
  const unhandled = (reason: unknown): void => scheduler.fail(new Violation('unhandled rejection', textOf(reason)))
  process.on('unhandledRejection', unhandled)
  try {
    await scheduler.run(() => over)
  } finally {
    process.off('unhandledRejection', unhandled)
  }
  if (scheduler.failure === undefined && !over)
    scheduler.fail(new Violation('liveness', 'nothing is left to do, and the story is not over'))
  const fingerprint = `${scheduler.fingerprint.toString(16)}-${world.random.state.toString(16)}-${scheduler.steps}`
  return { seed, plan, violation: scheduler.failure, fingerprint, steps: scheduler.steps, lines: scheduler.lines }
}

const textOf = (reason: unknown): string =>
  reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)

/** Starts a process, and another one in its place whenever it dies. */
function boot(world: World, host: number, second: boolean): void {
  const at = world.hosts[host]
  if (at === undefined) return
  const engine = new Engine(world, at, `p${world.engines.length}`, second)
  world.engines.push(engine)
  engine.process.onDeath.push(() => {
    world.scheduler.after(world.quiet ? 10 : world.random.between(10, 700), 'boot', undefined, () =>
      boot(world, host, second),
    )
  })
  open(engine)
}

/** An application opens its guard, and tries again where the store is not there yet. */
function open(engine: Engine): void {
  engine.guard.open().catch(() => engine.process.later(100, 'open again', () => open(engine)))
}

/** Callers, people and incidents, then quiet, then everyone asks once more. */
async function story(world: World): Promise<void> {
  const { plan, scheduler, random } = world
  const wants = wantsOf(plan, random)
  let over = false
  startIncidents(world)
  const people = plan.people ? person(world, () => over) : undefined
  const callers = plan.kind === 'misuse' ? [misuse(world)] : wants.map((want) => begin(world, want))
  const loud = Promise.all(callers)
  await (plan.calm ? loud : untilQuiet(world, loud))
  world.quiet = true
  world.storeDown = false
  world.diskFull = false
  // Leases that were set while the store's clock stood elsewhere have to run out before anything settles.
  if (plan.incidents.some(({ type }) => type === 'store-clock') && !isWindowed(plan.kind)) world.storeOffset += 2 * DAY
  scheduler.note('quiet')
  const silent = 'a caller never heard'
  const heard = await Promise.race([
    loud,
    pause(world, (plan.kind === 'compensate' ? 3 : 1) * SETTLES_WITHIN).then(() => silent),
  ])
  if (heard === silent) {
    const [call] = world.waiting
    throw new Violation('liveness', `${silent}${call === undefined ? '' : `: call ${call.number} of ${call.intent}`}`)
  }
  await settle(world)
  // Long enough for thirty sweeps, one of which retires what is past its retention.
  if (plan.retires) await pause(world, RETIRES_WITHIN)
  // What was said about an undeclared tool's calls is history by then, and an equal call is new work.
  if (plan.retires && plan.kind === 'undeclared') for (const { intent } of wants) world.keeper.wantAnother(intent)
  const distinct = new Map(wants.map((want) => [want.intent, want]))
  if (plan.kind === 'sequence') for (const want of distinct.values()) await sequenceRun(world, want, 1)
  else if (plan.kind !== 'misuse') for (const want of distinct.values()) await askAgain(world, want)
  await settle(world)
  over = true
  await people
  checkEnd(world, [...distinct.values()])
}

/** Faults go on until their time is over, or until there is nothing left for them to meet. */
async function untilQuiet(world: World, loud: Promise<unknown>): Promise<void> {
  const { scheduler, plan } = world
  const ends = scheduler.now + QUIET_AT
  const lastIncident = plan.incidents.reduce((latest, { at }) => Math.max(latest, START + at), 0)
  let done = false
  void loud.then(() => (done = true))
  while (scheduler.now < ends) {
    await pause(world, 50)
    if (done && scheduler.now > lastIncident && unsettled(world) === undefined) return
  }
}

async function begin(world: World, want: Want): Promise<void> {
  await pause(world, world.random.latency(900))
  await (world.plan.kind === 'sequence' ? sequenceRun(world, want, 4) : agent(world, want))
}

/** Waits until every operation has ended or is a doubt that somebody owns. */
async function settle(world: World): Promise<void> {
  const { scheduler } = world
  // An undo has the default deadline of a minute.
  const slow = world.plan.retires || world.plan.kind === 'compensate'
  const until = scheduler.now + (slow ? 3 : 1) * SETTLES_WITHIN
  for (;;) {
    const open = unsettled(world)
    if (open === undefined) return
    if (scheduler.now > until) throw new Violation('liveness', open)
    await pause(world, 100)
  }
}

const PATIENCE = 60
const RETIRES_WITHIN = 14_000

/** After the faults, a caller who keeps asking gets an answer. */
async function askAgain(world: World, want: Want): Promise<void> {
  let round: string | undefined
  for (let tries = 0; tries < PATIENCE; tries += 1) {
    const engine = anyEngine(world)
    if (engine !== undefined) {
      const heard = await callOnce(world, engine, want, {
        run: runIn(engine, want),
        round,
        ...(want.occurrence === 1 ? {} : { occurrence: want.occurrence }),
      })
      if (heard.kind === 'outcome' && heard.outcome.status === 'awaiting-input') round = answerTo(heard.outcome.value)
      else if (heard.kind === 'outcome') {
        if (world.plan.kind === 'compensate' && world.downstream.effectsOf(`undo:${want.intent}`).length > 0)
          await undo(world, want, engine)
        return
      }
      if (heard.kind === 'error' && heard.error.code !== 'IN_PROGRESS' && heard.error.code !== 'STORE_UNAVAILABLE')
        return
    }
    await pause(world, 200)
  }
  // A turn is not taken over from an operation in doubt (protocol.md section 9, exclusive).
  const blocked = [...world.truth.rows.values()].some(
    ({ record }) => record.state === 'in-doubt' || record.recoveries > 0,
  )
  if (world.plan.kind === 'exclusive' && blocked) return
  throw new Violation('liveness', `a patient caller of ${want.intent} got no answer`)
}
