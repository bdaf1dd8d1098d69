import type { Process } from './life.ts'
import { never } from './life.ts'
import { QUARANTINE } from './plan.ts'
import { happens, type World } from './world.ts'
import type { Call } from './told.ts'

/** How the downstream treats a request. */
export type Treatment =
  /** Honours our key for its window. */
  | 'keyed'
  /** Every request that lands acts. */
  | 'plain'
  /** Every request that lands acts, but a second creation is answered "exists". */
  | 'unique'
  /** Acts while the version that the request names is current. */
  | 'match'
  /** Keyed, says yes at once and acts later, or never. */
  | 'accept'
  /** Asks once or twice before it is done, and may have acted before it asks; knows what it began by our key. */
  | 'asks'
  /** A row in the ledger's own database. */
  | 'row'

export interface Request {
  readonly intent: string
  readonly tenant: string
  readonly opKey: string
  readonly downstreamKey: string
  readonly attempt: number
  readonly treatment: Treatment
  readonly major: number
  /** What the caller answered; undefined in the first round. */
  readonly round?: string | undefined
}

/** One request that left a process. */
export interface Send extends Request {
  readonly process: Process
  /** The call whose own execution sent it; undefined for a recovery. */
  readonly call: Call | undefined
  readonly at: number
  effect: Effect | undefined
  /** The error under which a caller was told that this send did nothing. */
  toldNone: string | undefined
}

export interface Effect {
  readonly number: number
  readonly send: Send
  readonly at: number
  readonly value: { readonly effect: number; readonly intent: string }
}

export interface Answer {
  readonly status: number
  readonly value?: unknown
  readonly error?: string
  readonly garbage?: true
  /** The number of the question that it asks instead. */
  readonly question?: number
}

/** What the downstream knows of an exchange under one key. */
interface Exchange {
  readonly until: number
  asked: number
  effect: Effect | undefined
}

/** The program that our effects happen in: it counts them, and knows nothing of ledgers. */
export class Downstream {
  readonly effects = new Map<string, Effect[]>()
  readonly sends: Send[] = []
  /** Requests and late effects that are still under way. */
  underWay = 0
  readonly #world: World
  readonly #keys = new Map<string, { readonly until: number; readonly answer: Answer }>()
  readonly #exchanges = new Map<string, Exchange>()
  readonly #accepted = new Map<string, 'pending' | 'done' | 'failed'>()
  #count = 0

  constructor(world: World) {
    this.#world = world
  }

  effectsOf(intent: string): readonly Effect[] {
    return this.effects.get(intent) ?? []
  }

  /** A client library sends a request and waits for its answer; what is thrown looks like Node's errors. */
  send(process: Process, request: Request, call: Call | undefined, signal?: AbortSignal): Promise<Answer> {
    const world = this.#world
    const { random, scheduler } = world
    if (process.hazard('send>')) return never()
    const { network } = world.plan.odds
    const fate = happens(world, network)
      ? random.pick([
          'refused',
          'lost',
          'slow',
          'cut',
          'tardy',
          'answer-lost',
          'silent',
          ...(request.treatment === 'plain' || request.treatment === 'asks' ? [] : ['twice']),
        ])
      : 'well'
    world.coverage.hit(`network:${fate}`)
    if (fate === 'refused') {
      return new Promise((_, reject) =>
        process.later(random.latency(50), 'send!', () => reject(networkError('ECONNREFUSED'))),
      )
    }
    const send: Send = { ...request, process, call, at: scheduler.now, effect: undefined, toldNone: undefined }
    this.sends.push(send)
    call?.sends.push(send)
    world.keeper.sent(send)
    return new Promise((resolve, reject) => {
      const fail = (ms: number, code: string): void => {
        process.later(ms, 'send!', () => reject(networkError(code)))
      }
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      if (fate === 'lost') return random.chance(0.5) ? fail(random.latency(300), 'ECONNRESET') : undefined
      // A2: it lands within Q, or never.
      const travels =
        fate === 'slow' || fate === 'cut'
          ? random.between(50, QUARANTINE - 5)
          : Math.min(QUARANTINE - 5, random.latency(200))
      this.#travel(travels, send, (answer) => {
        if (fate === 'answer-lost') return fail(random.latency(300), 'ECONNRESET')
        if (fate === 'silent' || fate === 'cut') return
        process.later(
          fate === 'tardy' ? random.between(100, 2_500) : random.latency(300),
          `answer ${answer.status}`,
          () => resolve(answer),
        )
      })
      // A repeat on the way of a request that was refused is refused like it, so only acts are repeated.
      if (fate === 'twice') this.#travel(random.between(1, QUARANTINE - 5), send, () => undefined, true)
      // The connection breaks while the request is still on its way.
      if (fate === 'cut') fail(random.latency(50), 'ECONNRESET')
      process.hazard('send~')
    })
  }

  #travel(ms: number, send: Send, answered: (answer: Answer) => void, again = false): void {
    this.underWay += 1
    this.#world.scheduler.after(ms, 'land', undefined, () => {
      this.underWay -= 1
      if (!again || send.effect !== undefined) answered(this.#land(send))
    })
  }

  #land(send: Send): Answer {
    const { scheduler, plan } = this.#world
    if (send.treatment !== 'keyed' && send.treatment !== 'accept') return this.#answerTo(send).told
    const known = this.#keys.get(send.downstreamKey)
    if (known !== undefined && scheduler.now < known.until) return known.answer
    const { told, kept } = this.#answerTo(send)
    // The window counts from the first send, which is the shortest that A3 allows.
    if (kept !== undefined) this.#keys.set(send.downstreamKey, { until: send.at + plan.windowMs, answer: kept })
    return told
  }

  /** What is answered now, and what the downstream keeps under the key. */
  #answerTo(send: Send): { readonly told: Answer; readonly kept: Answer | undefined } {
    const world = this.#world
    const { random, plan } = world
    const rough = happens(world, plan.odds.downstream)
    const how = rough
      ? random.pick([
          'refuses',
          'busy',
          'fails',
          'fails-after',
          'says-error',
          'says-error-after',
          'garbles',
          'dies',
        ] as const)
      : 'acts'
    switch (how) {
      case 'refuses': {
        const refusal = { status: random.pick([400, 422]), error: 'card_declined' }
        return { told: refusal, kept: plan.sticky ? refusal : undefined }
      }
      case 'busy':
        return { told: { status: 429, error: 'slow_down' }, kept: undefined }
      case 'fails':
        return { told: { status: 503, error: 'broken' }, kept: undefined }
      case 'says-error':
        return { told: { status: 200, error: 'card_declined' }, kept: undefined }
      default:
    }
    const acted = this.#act(send)
    if (how === 'acts') return { told: acted, kept: acted }
    if (how === 'dies') return { told: { status: 599 }, kept: acted }
    if (how === 'fails-after') {
      const failure = { status: 500, error: 'broken' }
      return { told: failure, kept: plan.stores5xx ? failure : acted }
    }
    return {
      told: how === 'garbles' ? { status: 200, garbage: true } : { status: 200, error: 'internal' },
      kept: acted,
    }
  }

  #act(send: Send): Answer {
    const { intent, treatment } = send
    const [before] = this.effectsOf(intent)
    if (treatment === 'unique' && before !== undefined) return { status: 409, error: 'already_exists' }
    if (treatment === 'match' && before !== undefined) return { status: 412, error: 'version' }
    if (treatment === 'accept') return this.#promise(send)
    if (treatment === 'asks') return this.#converse(send)
    return { status: 200, value: this.#effect(send).value }
  }

  #converse(send: Send): Answer {
    const world = this.#world
    const { random, scheduler, coverage, plan } = world
    const known = this.#exchanges.get(send.downstreamKey)
    const goesOn = known !== undefined && scheduler.now < known.until
    const until = plan.sticky ? send.at + plan.windowMs : Infinity
    const exchange: Exchange = goesOn ? known : { until, asked: 0, effect: undefined }
    this.#exchanges.set(send.downstreamKey, exchange)
    if (exchange.asked < (plan.mapped ? 2 : 1) && !world.quiet) {
      exchange.asked += 1
      if (exchange.effect === undefined && random.chance(0.4)) {
        exchange.effect = this.#effect(send)
        coverage.hit('round:acts before it asks')
      }
      return { status: 200, question: exchange.asked }
    }
    exchange.effect ??= this.#effect(send)
    return { status: 200, value: exchange.effect.value }
  }

  /** Rows of a transaction that commits now, with its records. */
  commitRows(sends: readonly Send[]): void {
    for (const send of sends) {
      this.sends.push(send)
      this.#world.keeper.inserts(send)
      this.#effect(send)
    }
  }

  #effect(send: Send): Effect {
    const { scheduler, keeper } = this.#world
    const effect = {
      number: (this.#count += 1),
      send,
      at: scheduler.now,
      value: { effect: this.#count, intent: send.intent },
    }
    send.effect = effect
    const of = this.effects.get(send.intent)
    if (of === undefined) this.effects.set(send.intent, [effect])
    else of.push(effect)
    scheduler.note('effect', () => `${effect.number} of ${send.intent} by ${send.process.name} attempt ${send.attempt}`)
    keeper.landed(effect)
    return effect
  }

  /** 202: it is done later, or it turns out that it cannot be done. */
  #promise(send: Send): Answer {
    const world = this.#world
    const fails = happens(world, world.plan.odds.downstream / 2)
    this.#accepted.set(send.intent, 'pending')
    this.underWay += 1
    world.scheduler.after(world.random.latency(800), 'settle', undefined, () => {
      this.underWay -= 1
      this.#accepted.set(send.intent, fails ? 'failed' : 'done')
      if (!fails) this.#effect(send)
    })
    return { status: 202, value: { accepted: send.intent } }
  }

  /** Reads, for probes, preconditions and verifications: what is shown lags behind by the settle time. */
  ask<T>(process: Process, label: string, read: (now: number) => T): Promise<T> {
    const world = this.#world
    if (process.hazard(`${label}>`)) return never()
    const { random } = world
    const fails = happens(world, world.plan.odds.network / 3)
    return new Promise((resolve, reject) => {
      if (fails) return process.later(random.latency(200), `${label}!`, () => reject(networkError('ECONNRESET')))
      world.scheduler.after(random.latency(100), `${label}@`, undefined, () => {
        const answer = read(world.scheduler.now)
        process.later(random.latency(100), `${label}<`, () => resolve(answer))
      })
    })
  }

  /** The effect as the downstream's own reads show it. */
  shown(intent: string, now: number): Effect | undefined {
    return this.effectsOf(intent).find((effect) => effect.at + this.#world.plan.settleMs <= now)
  }

  accepted(intent: string): 'pending' | 'done' | 'failed' | undefined {
    return this.#accepted.get(intent)
  }
}

function networkError(code: string): Error {
  return Object.assign(new Error(`simulated ${code}`), { code })
}
