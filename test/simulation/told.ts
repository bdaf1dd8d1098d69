import type { Outcome } from '../../src/engine/index.ts'
import { isOnefoldError, type OnefoldError } from '../../src/error/index.ts'
import type { Send } from './downstream.ts'
import type { Process } from './life.ts'
import { demand, Violation } from './oracle.ts'
import type { World } from './world.ts'

/** One call of a tool, as its caller sees it. */
export interface Call {
  readonly number: number
  readonly intent: string
  readonly tenant: string
  readonly process: Process
  /** What this call's own execution sent. */
  readonly sends: Send[]
}

/** Codes under which nothing of this call happened. */
const NOTHING = [
  'REJECTED',
  'STORE_UNAVAILABLE',
  'CANCELLED',
  'HELD',
  'DIVERGED',
  'KEY_MISSING',
  'INPUT_INVALID',
  'CONTRACT_INVALID',
]

/** Holds what every caller is told, in the moment it is told, against what happened. */
export class Told {
  readonly #world: World
  /** The one answer of each operation. */
  readonly #values = new Map<string, string>()

  constructor(world: World) {
    this.#world = world
  }

  outcome(call: Call, outcome: Outcome): void {
    const { scheduler, coverage, downstream, keeper, plan, truth } = this.#world
    const how = outcome.joined ? ' joined' : outcome.replayed ? ' replayed' : ''
    coverage.hit(`told:${outcome.status}${how}`)
    scheduler.note(
      'told',
      () => `call ${call.number} of ${call.intent}: ${outcome.status}${how} ${JSON.stringify(outcome.value)}`,
    )
    if (outcome.status === 'awaiting-input') {
      const { ask } = (outcome.value ?? {}) as { ask?: number }
      demand(ask !== undefined, 'answer', () => `${call.intent} was told a question that nobody asked`)
      return
    }
    if (outcome.status === 'in-doubt' || outcome.missing !== undefined) return
    if (keeper.isLost(outcome.key, call.tenant)) return
    if (plan.kind === 'composite') return truth.lost.size === 0 ? this.#same(call, outcome) : undefined
    const effects = downstream.effectsOf(call.intent)
    if (outcome.status === 'accepted') {
      demand(
        downstream.accepted(call.intent) !== undefined,
        'I4',
        () => `${call.intent} was told accepted, and nobody accepted it`,
      )
      return
    }
    demand(effects.length > 0, 'I4', () => `${call.intent} was told done, and nothing happened`)
    const { effect: number, accepted } = (outcome.value ?? {}) as { effect?: number; accepted?: string }
    const isAnswer = number !== undefined || accepted !== undefined || outcome.error !== undefined
    demand(
      isAnswer,
      'answer',
      () => `${call.intent} was told done with ${JSON.stringify(outcome.value)}, which is no answer of the downstream`,
    )
    if (number !== undefined) {
      demand(
        effects.some((effect) => effect.number === number),
        'I11',
        () => `${call.intent} was told the answer of another operation: effect ${number}`,
      )
    }
    if (!keeper.isLostIntent(call.intent)) this.#same(call, outcome)
  }

  #same(call: Call, outcome: Outcome): void {
    const { error } = outcome
    const text = JSON.stringify([outcome.value, error instanceof Error ? error.message : error])
    const name = `${call.tenant}|${outcome.key}`
    const first = this.#values.get(name)
    if (first === undefined) this.#values.set(name, text)
    else demand(first === text, 'result identity', () => `callers of ${call.intent} were told ${first} and ${text}`)
  }

  failure(call: Call, error: unknown): OnefoldError {
    const { scheduler, coverage } = this.#world
    if (!isOnefoldError(error)) {
      throw new Violation(
        'raw error',
        `a caller of ${call.intent} got ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      )
    }
    coverage.hit(`code:${error.code}`)
    scheduler.note(
      'told',
      () =>
        `call ${call.number} of ${call.intent}: ${error.code} effect ${error.effect}: ${error.message.slice(0, 90)}`,
    )
    if (error.effect === 'none' && NOTHING.includes(error.code)) this.#nothing(call, error)
    if (error.effect === 'done') this.#done(call, error)
    if (error.code === 'COMPENSATED' && error.effect === 'none') {
      const undone = this.#world.downstream.effectsOf(`undo:${call.intent}`).length
      demand(undone > 0, 'I4', () => `${call.intent} was told undone, and the undo has not happened`)
    }
    return error
  }

  #nothing(call: Call, error: OnefoldError): void {
    for (const send of call.sends) {
      // Without A1 the second look of a call may know nothing of its first.
      if (this.#world.keeper.isLost(send.opKey, send.tenant)) continue
      demand(
        send.effect === undefined,
        'I4',
        () => `${call.intent} was told ${error.code} with effect none, and this very call did it`,
      )
      send.toldNone = error.code
    }
  }

  #done(call: Call, error: OnefoldError): void {
    const { downstream, keeper, plan } = this.#world
    if (plan.kind === 'composite') return
    if (error.key !== undefined && keeper.isLost(error.key, call.tenant)) return
    demand(
      downstream.effectsOf(call.intent).length > 0,
      'I4',
      () => `${call.intent} was told ${error.code} with effect done, and nothing happened`,
    )
  }
}
