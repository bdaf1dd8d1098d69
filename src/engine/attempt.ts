import type { Recovery, RunReference, ToolContext } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { downstreamKey } from '../key/index.ts'
import { cancelled } from './answers.ts'
import type { Send } from './classify.ts'
import type { Clock } from './clock.ts'
import type { Operation } from './operation.ts'
import type { OperationRecord } from './record.ts'
import type { OperationFrame } from './run.ts'

/** What a `ctx.fetch` needs of the attempt it sends for; implemented here, used by the downstream room. */
export interface SendPort {
  readonly tool: string
  /** The contract's recovery; undefined for a read. */
  readonly recovery: Recovery | undefined
  /** The contract's `sends: 'checked'`: what passes here is all that the tool sends. */
  readonly checked: boolean
  readonly tenant: string
  readonly run: string | undefined
  readonly sequenceKey: string | undefined
  /** Equal for attempts that send under the same keys; undefined where none follows under the keys of another. */
  readonly lineage: string | undefined
  /** Throws when the attempt may no longer send. */
  checkpoint(): void
  /** The same, right before a send that nobody here follows: from then on it counts as one of unknown outcome. */
  beforeUnseen(): void
  downstreamKey(provider?: string, operation?: string, ordinal?: number): string
  /** The tool was given this key by `ctx.downstreamKey`, to write it itself. */
  gave(key: string): void
  /** Whether a text holds a key that the tool was given by `ctx.downstreamKey`: it has written it there itself. */
  holdsKey(text: string): boolean
  /** A write of ours goes out: keys of the tool that are in its text were for it, and for no send that nobody here follows. */
  carries(text: () => string): void
  /** Opens a send; its state is to be kept up to date. */
  opened(): Send
  readonly signal: AbortSignal
  /** True once anything was asked of this port: a send, a key to send under, or leave to send. */
  readonly used: () => boolean
}

export type FetchMaker = (port: SendPort) => typeof fetch

/** One execution under one claim, while it is in this process. */
export interface LiveAttempt {
  /** Replaced when `prepare` hands another input to `execute`. */
  op: Operation
  readonly nonce: string
  /** The record as this attempt last knew it. */
  record: OperationRecord
  /** Store time of {@link record}. */
  now: number
  /** Boot-clock moment after which nothing may be sent any more. */
  leaseOverAt: number
  /** Boot-clock moment after which the downstream's window may be closed; Infinity outside keyed re-sends. */
  windowOverAt: number
  /** True once nothing may be sent: aborted, timed out, lease lost, settled. */
  closed: boolean
  /** True once `execute` was entered: from here on the effect may have happened. */
  started: boolean
  /** True where every attempt before this one is known to send no more, or was never the same operation's. */
  othersEnded: boolean
  /** What `execute` sent; what `prepare` read is no evidence of it. */
  readonly sends: Send[]
  /** True once the tool asked for a send, a key or leave to send, in `prepare` or `execute`. */
  asked: boolean
  /** The frame that `execute` runs in, by its parts. */
  frame: Pick<OperationFrame, 'nextChild' | 'parts'>
  /** Keys that the tool asked for, in `prepare` or `execute`. */
  keysGiven: Set<string> | undefined
  readonly controller: AbortController
  /** Set while a heartbeat is under way. */
  beating: Promise<void> | undefined
  lastBeatAt: number
  /** Boot-clock moment before its first step. */
  readonly begunAt: number
}

export function newAttempt(
  op: Operation,
  nonce: string,
  record: OperationRecord,
  now: number,
  leaseOverAt: number,
  at: number,
): LiveAttempt {
  return {
    op,
    nonce,
    record,
    now,
    leaseOverAt,
    windowOverAt: Infinity,
    closed: false,
    started: false,
    othersEnded: true,
    sends: [],
    asked: false,
    frame: NO_PARTS,
    keysGiven: undefined,
    controller: new AbortController(),
    beating: undefined,
    lastBeatAt: at,
    begunAt: at,
  }
}

/**
 * Whether the attempt may send its next byte, judged without an await and on the boot clock, so that no pause can lie
 * between the check and the byte.
 */
export const maySend = (attempt: LiveAttempt, clock: Clock): boolean => {
  if (attempt.closed) return false
  const now = clock.bootMs()
  return now < attempt.leaseOverAt && now < attempt.windowOverAt
}

/** What the requests of an attempt are sent under, and where its sends are noted. */
export const portOf = (
  attempt: LiveAttempt,
  clock: Clock,
  run: RunReference | undefined,
  sends: Send[] = attempt.sends,
): SendPort => new Port(attempt, clock, run, sends)

const NO_PARTS: LiveAttempt['frame'] = Object.freeze({ nextChild: 0, parts: new Map() })

/** Classes whose recovery executes again what may have acted. */
const RE_RUN = new Set<string>(['keyed', 'idempotent', 'composite'] satisfies readonly Recovery['class'][])

/*
 * Classes, because one of each is made for every effect: an object with accessors of its own would get a hidden class of
 * its own as well, which costs more than everything else in it. What a tool may take out of its context is bound.
 */

class Port implements SendPort {
  readonly #attempt: LiveAttempt
  readonly #clock: Clock
  readonly #run: RunReference | undefined
  readonly #sends: Send[]
  #used = false
  /** Keys that the tool was given, each with the send that it may have made under it; undefined once that one is seen. */
  #given: Map<string, Send | undefined> | undefined
  /** Sends of clients that nobody here follows, for which no key was asked. */
  #unkeyed = 0

  constructor(attempt: LiveAttempt, clock: Clock, run: RunReference | undefined, sends: Send[]) {
    this.#attempt = attempt
    this.#clock = clock
    this.#run = run
    this.#sends = sends
  }

  readonly used = (): boolean => this.#used

  #asked(): void {
    this.#used = true
    this.#attempt.asked = true
  }

  get tool(): string {
    return this.#attempt.op.contract.name
  }

  get recovery(): Recovery | undefined {
    const { contract } = this.#attempt.op
    return contract.effect === 'read' ? undefined : contract.recovery
  }

  get checked(): boolean {
    return this.#attempt.op.contract.sends === 'checked'
  }

  get tenant(): string {
    return this.#attempt.op.tenant
  }

  get run(): string | undefined {
    return this.#run?.id
  }

  get sequenceKey(): string | undefined {
    const { index } = this.#attempt.op
    return index === undefined || this.#run === undefined ? undefined : `${this.#run.id}::${this.tool}::${index}`
  }

  get lineage(): string | undefined {
    const { op, record } = this.#attempt
    const { recovery } = this
    return recovery !== undefined && RE_RUN.has(recovery.class) ? `${op.key}:${record.generation}` : undefined
  }

  /** Made when it is asked for: most tools never look. */
  get signal(): AbortSignal {
    return this.#attempt.controller.signal
  }

  checkpoint(): void {
    this.#asked()
    if (!maySend(this.#attempt, this.#clock)) throw cancelled(this.tool, this.#attempt.op.key, false)
  }

  beforeUnseen(): void {
    this.checkpoint()
    // The send that a key was asked for, now that it is about to leave.
    const key = [...(this.#given ?? [])].find(([, send]) => send !== undefined)?.[0]
    if (key === undefined) this.#unkeyed += 1
    else this.#seen(key)
    this.#unseen()
  }

  /**
   * A key that the tool writes itself goes out by a client that may never ask for leave: unless it is seen to go
   * elsewhere, it stands for a send of unknown outcome.
   */
  gave(key: string): void {
    ;(this.#attempt.keysGiven ??= new Set()).add(key)
    this.#given ??= new Map()
    if (this.checked || this.#given.has(key)) return
    if (this.#unkeyed > 0) {
      this.#unkeyed -= 1
      this.#given.set(key, undefined)
      return
    }
    this.#given.set(key, this.#unseen())
  }

  #unseen(): Send {
    return Object.assign(this.opened(), { state: 'sent', isUnseen: true } as const)
  }

  carries(text: () => string): void {
    if (this.#given === undefined) return
    const carried = text()
    for (const key of this.#given.keys()) if (carried.includes(key)) this.#seen(key)
  }

  #seen(key: string): void {
    const at = this.#sends.indexOf(this.#given?.get(key) as Send)
    if (at >= 0) this.#sends.splice(at, 1)
    this.#given?.set(key, undefined)
  }

  downstreamKey(provider?: string, operation?: string, ordinal?: number): string {
    this.#asked()
    const { op, record } = this.#attempt
    // Of the key alone, which a secret has made already: a recovery under a rotated secret must send the same one.
    return downstreamKey({ key: op.key, provider, operation, ordinal, generation: record.generation })
  }

  holdsKey(text: string): boolean {
    return [...(this.#attempt.keysGiven ?? [])].some((key) => text.includes(key))
  }

  opened(): Send {
    this.#asked()
    const send: Send = { state: 'unsent' }
    this.#sends.push(send)
    return send
  }
}

/** The context that `prepare`, `execute`, probes and compensations are given. */
export const contextOf = (
  attempt: LiveAttempt,
  clock: Clock,
  run: RunReference | undefined,
  makeFetch: FetchMaker | undefined,
  port: SendPort = portOf(attempt, clock, run),
  transaction?: unknown,
): ToolContext => Object.freeze(new Context(attempt, run, makeFetch, port, transaction))

class Context implements ToolContext {
  readonly attempt: number
  readonly transaction: unknown
  readonly #attempt: LiveAttempt
  readonly #run: RunReference | undefined
  readonly #makeFetch: FetchMaker | undefined
  readonly #port: SendPort
  #runReference: RunReference | undefined
  #fetch: typeof fetch | undefined

  constructor(
    attempt: LiveAttempt,
    run: RunReference | undefined,
    makeFetch: FetchMaker | undefined,
    port: SendPort,
    transaction: unknown,
  ) {
    this.attempt = attempt.record.attempts
    this.transaction = transaction
    this.#attempt = attempt
    this.#run = run
    this.#makeFetch = makeFetch
    this.#port = port
  }

  /** A tool may send under this one as well. */
  get key(): string {
    this.#attempt.asked = true
    return this.#attempt.op.key
  }

  /** The operation's key, for our own books. */
  static keyOf(context: ToolContext): string {
    return #attempt in context ? context.#attempt.op.key : context.key
  }

  readonly checkpoint = (): void => this.#port.beforeUnseen()

  readonly downstreamKey = (provider?: string, operation?: string): string => {
    const key = this.#port.downstreamKey(provider, operation)
    this.#port.gave(key)
    return key
  }

  get run(): RunReference | undefined {
    const run = this.#run
    if (run !== undefined)
      this.#runReference ??= Object.freeze({ id: run.id, tenant: run.tenant, session: run.session })
    return this.#runReference
  }

  get signal(): AbortSignal {
    return this.#attempt.controller.signal
  }

  get fetch(): typeof fetch {
    if (this.transaction !== undefined) {
      throw new OnefoldError(
        'CONTRACT_INVALID',
        `${this.#attempt.op.contract.name} is transactional: a request could not be undone with its transaction. Nothing was sent; put a message into the outbox, or give the tool another recovery.`,
      )
    }
    if (this.#makeFetch === undefined) {
      throw new OnefoldError(
        'CONTRACT_INVALID',
        'This engine was built without a fetch; use ctx.checkpoint() right before the send.',
      )
    }
    this.#fetch ??= this.#makeFetch(this.#port)
    return this.#fetch
  }
}

/** The operation of a context, for the books of adapters: unlike `context.key`, no sign that the tool sends under it. */
export const operationOf = (context: ToolContext): string => Context.keyOf(context)
