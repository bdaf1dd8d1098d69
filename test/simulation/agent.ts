import type { Outcome } from '../../src/engine/index.ts'
import type { OnefoldError } from '../../src/error/index.ts'
import type { ActiveRun } from '../../src/engine/run.ts'
import type { Asked, Engine } from './engine.ts'
import { Violation } from './oracle.ts'
import type { Call } from './told.ts'
import type { Input } from './tools.ts'
import { happens, type World } from './world.ts'

/** What a caller wants done, however often it has to ask. */
export interface Want {
  readonly intent: string
  readonly tenant: string
  readonly input: Input
  /** Undefined outside a run; `minted` for a run whose id the engine makes. */
  readonly run: string | undefined
  readonly occurrence: number
}

/** What became of one call: an outcome, an error, or a caller that never heard. */
export type Heard =
  | { readonly kind: 'outcome'; readonly outcome: Outcome; readonly engine: Engine }
  | { readonly kind: 'error'; readonly error: OnefoldError; readonly engine: Engine }
  | { readonly kind: 'lost' }

let calls = 0
/** Calls are numbered within a schedule. */
export const resetCalls = (): void => void (calls = 0)

export const pause = (world: World, ms: number): Promise<void> =>
  new Promise((resolve) => world.scheduler.after(ms, 'agent', undefined, resolve))

const alive = (world: World): readonly Engine[] =>
  world.engines.filter(({ process }) => process.alive && !process.closing)

export function anyEngine(world: World, last?: Engine): Engine | undefined {
  const engines = alive(world)
  // A client mostly comes back to where it was.
  if (last !== undefined && engines.includes(last) && world.random.chance(0.5)) return last
  return engines.length === 0 ? undefined : world.random.pick(engines)
}

/** The run of a want in one process; the same object for all its calls there. */
export function runIn(engine: Engine, want: Pick<Want, 'run' | 'tenant'>): ActiveRun | undefined {
  const { internals } = engine.guard
  if (want.run === 'minted') return internals.runOf({ tenant: want.tenant })
  if (want.run !== undefined) return internals.runOf({ id: want.run, tenant: want.tenant, session: 'chat' })
  return want.tenant === 'default' ? undefined : internals.runOf({ id: 'outside', tenant: want.tenant })
}

/** One call, from the moment the caller sends it to the moment it hears, or hears that the process is gone. */
export function callOnce(world: World, engine: Engine, want: Want, asked: Asked): Promise<Heard> {
  const { process } = engine
  const call: Call = { number: (calls += 1), intent: want.intent, tenant: want.tenant, process, sends: [] }
  world.scheduler.note('call', () => `${call.number} of ${want.intent} at ${process.name}`)
  world.waiting.add(call)
  return new Promise((resolve) => {
    let heard = false
    const hear = (ms: number, what: Heard): void => {
      if (heard) return
      world.waiting.delete(call)
      heard = true
      world.scheduler.after(ms, 'heard', undefined, () => resolve(what))
    }
    process.onDeath.push(() => hear(world.random.between(5, 100), { kind: 'lost' }))
    if (!process.alive) return hear(1, { kind: 'lost' })
    /** What the engine says is judged in the very moment, and travels to the caller. */
    const judged = (judge: () => Heard): void => {
      if (!process.alive) return
      try {
        hear(world.random.between(0, 3), judge())
      } catch (error) {
        world.scheduler.fail(error)
      }
    }
    process.later(world.random.between(0, 4), 'request', () => {
      engine.call(call, want.input, asked).then(
        (outcome) =>
          judged(() => {
            world.told.outcome(call, outcome)
            return { kind: 'outcome', outcome, engine }
          }),
        (error: unknown) => judged(() => ({ kind: 'error', error: world.told.failure(call, error), engine })),
      )
    })
  })
}

/** A signal that the caller may abort after a while. */
export function impatience(world: World, engine: Engine, onDoubt?: string): AbortSignal | undefined {
  const controller = new AbortController()
  if (!happens(world, world.plan.odds.abort)) {
    if (onDoubt !== 'wait') return undefined
    // Waiting for a doubt has no end of its own: not every doubt is settled without a person.
    world.scheduler.after(4_000, 'abort', engine.process, () => controller.abort())
    return controller.signal
  }
  if (world.random.chance(0.1)) controller.abort()
  else world.scheduler.after(world.random.latency(600), 'abort', engine.process, () => controller.abort())
  return controller.signal
}

const TRIES = 6

/** The hash of a caller's answer: equal answers to one question are one round. */
export const answerTo = (value: unknown): string => `answer ${String((value as { ask?: unknown }).ask)}`

/** A caller with one want: asks, hears, and asks again as long as its kind would. */
export async function agent(world: World, want: Want): Promise<void> {
  const { random, plan } = world
  let last: Engine | undefined
  let input = want.input
  let confirm: string | undefined
  let round: string | undefined
  for (let tries = 0; tries < TRIES && !world.quiet; tries += 1) {
    const engine = anyEngine(world, last)
    if (engine === undefined) {
      await pause(world, 60)
      continue
    }
    last = engine
    const onDoubt = random.pick(['throw', 'throw', 'return', 'wait'] as const)
    const heard = await callOnce(
      world,
      engine,
      { ...want, input },
      {
        run: runIn(engine, want),
        signal: impatience(world, engine, onDoubt),
        onDoubt,
        confirm,
        round,
        ...(want.occurrence === 1 ? {} : { occurrence: want.occurrence }),
      },
    )
    if (heard.kind === 'lost') continue
    if (heard.kind === 'outcome') {
      if (heard.outcome.status === 'awaiting-input') {
        round = answerTo(heard.outcome.value)
        await pause(world, random.latency(random.chance(0.3) ? 1_500 : 200))
        continue
      }
      if (heard.outcome.status === 'in-doubt' || random.chance(0.5)) return
      if (plan.kind === 'undeclared' && random.chance(0.6)) await goOn(world, want, heard)
      if (plan.kind === 'compensate' && random.chance(0.6)) await undo(world, want, heard.engine)
      await pause(world, random.latency(500))
      continue
    }
    const { error } = heard
    if (error.code === 'KEY_REUSED' || error.code === 'CONTRACT_SUPERSEDED' || error.code === 'DIVERGED') return
    if (error.code === 'IN_DOUBT' && random.chance(0.5)) return
    if (error.code === 'HELD') confirm = error.ticket
    // Its question was lost with the process that knew it: the caller answers what it takes it for.
    if (error.code === 'IN_PROGRESS' && error.details['state'] === 'awaiting-input' && random.chance(0.3))
      round = answerTo({ ask: error.details['round'] })
    if (error.code === 'REJECTED' && !error.retryable) {
      if (random.chance(0.4)) return
      if (plan.kind !== 'undeclared' && random.chance(0.6)) input = { ...input, amount: input.amount + 1 }
    }
    await pause(world, Math.min(200, error.retryAfterMs ?? 20) + random.latency(100))
  }
}

/** The caller went on with the answer; an identical call of its is new work from now on. */
async function goOn(world: World, want: Want, heard: Heard & { readonly kind: 'outcome' }): Promise<void> {
  if (!heard.engine.process.alive) return
  world.keeper.wantAnother(want.intent)
  await inProcess(world, heard.engine, () =>
    heard.engine.guard.internals.undeclared.deliver(heard.outcome.key, want.tenant, 'client'),
  )
}

/** Asks for the undo of what was just done. */
export async function undo(world: World, want: Want, engine: Engine): Promise<void> {
  world.coverage.hit('undo')
  await inProcess(world, engine, () => engine.undo(want))
}

/** Runs work in a process and waits until it ends or the process is gone; what it throws must be ours. */
export function inProcess(world: World, engine: Engine, work: () => Promise<unknown>): Promise<boolean> {
  const { process } = engine
  return new Promise((resolve) => {
    const end = (ok: boolean): void => void world.scheduler.after(1, 'ended', undefined, () => resolve(ok))
    if (!process.alive) return end(false)
    process.onDeath.push(() => end(false))
    process.later(1, 'work', () => {
      work().then(
        () => end(true),
        (error: unknown) => {
          if (!(error instanceof Error) || error.name !== 'OnefoldError') {
            world.scheduler.fail(
              new Violation('raw error', error instanceof Error ? (error.stack ?? error.message) : String(error)),
            )
          } else world.coverage.hit(`code:${(error as OnefoldError).code}`)
          end(false)
        },
      )
    })
  })
}
