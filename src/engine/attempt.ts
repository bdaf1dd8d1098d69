import type { Recovery, RunReference, ToolContext } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { downstreamKey } from '../key/index.ts'
import { cancelled } from './answers.ts'
import type { Send } from './classify.ts'
import type { Clock } from './clock.ts'
import type { Operation } from './operation.ts'
import type { OperationRecord } from './record.ts'

/** What a `ctx.fetch` needs of the attempt it sends for; implemented here, used by the downstream room. */
export interface SendPort {
  readonly tool: string
  /** The contract's recovery; undefined for a read. */
  readonly recovery: Recovery | undefined
  /** The contract's `sends: 'checked'`: what passes here is all that the tool sends. */
  readonly checked: boolean
  readonly run: string | undefined
  readonly sequenceKey: string | undefined
  /** Throws when the attempt may no longer send. */
  checkpoint(): void
  downstreamKey(provider?: string, operation?: string, ordinal?: number): string
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
  readonly sends: Send[]
  readonly controller: AbortController
  /** Set while a heartbeat is under way. */
  beating: Promise<void> | undefined
  lastBeatAt: number
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
    sends: [],
    controller: new AbortController(),
    beating: undefined,
    lastBeatAt: at,
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

/** What the requests of an attempt are sent under. */
export function portOf(attempt: LiveAttempt, clock: Clock, run: RunReference | undefined): SendPort {
  const { op } = attempt
  const { contract } = op
  let used = false
  return {
    used: () => used,
    tool: contract.name,
    recovery: contract.effect === 'read' ? undefined : contract.recovery,
    checked: contract.sends === 'checked',
    run: run?.id,
    sequenceKey: op.index === undefined || run === undefined ? undefined : `${run.id}::${contract.name}::${op.index}`,
    checkpoint: () => {
      used = true
      if (!maySend(attempt, clock)) throw cancelled(contract.name, op.key, false)
    },
    downstreamKey: (provider, operation, ordinal) => {
      used = true
      // Of the key alone, which a secret has made already: a recovery under a rotated secret must send the same one.
      return downstreamKey({ key: op.key, provider, operation, ordinal, generation: attempt.record.generation })
    },
    signal: attempt.controller.signal,
    opened: () => {
      used = true
      const send: Send = { state: 'unsent' }
      attempt.sends.push(send)
      return send
    },
  }
}

/** The context that `prepare`, `execute`, probes and compensations are given. */
export function contextOf(
  attempt: LiveAttempt,
  clock: Clock,
  run: RunReference | undefined,
  makeFetch: FetchMaker | undefined,
  port: SendPort = portOf(attempt, clock, run),
  transaction?: unknown,
): ToolContext {
  const runReference: RunReference | undefined =
    run === undefined ? undefined : Object.freeze({ id: run.id, tenant: run.tenant, session: run.session })
  let fetcher: typeof fetch | undefined
  return Object.freeze({
    key: attempt.op.key,
    attempt: attempt.record.attempts,
    run: runReference,
    signal: attempt.controller.signal,
    transaction,
    checkpoint: port.checkpoint,
    downstreamKey: (provider?: string, operation?: string) => port.downstreamKey(provider, operation),
    get fetch(): typeof fetch {
      if (transaction !== undefined) {
        throw new OnefoldError(
          'CONTRACT_INVALID',
          `${attempt.op.contract.name} is transactional: a request could not be undone with its transaction. Nothing was sent; put a message into the outbox, or give the tool another recovery.`,
        )
      }
      if (makeFetch === undefined) {
        throw new OnefoldError(
          'CONTRACT_INVALID',
          'This engine was built without a fetch; use ctx.checkpoint() right before the send.',
        )
      }
      fetcher ??= makeFetch(port)
      return fetcher
    },
  })
}
