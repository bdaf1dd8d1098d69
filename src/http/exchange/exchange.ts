import type { ToolContext } from '../../contract/index.ts'
import {
  ownerOf,
  stillKept,
  ticketOf,
  type Guard,
  type KeptBytes,
  type Outcome,
  type PerformOptions,
} from '../../engine/index.ts'
import { OnefoldError, isOnefoldError } from '../../error/index.ts'
import { answerOf, kept, type Answer } from './answer.ts'
import { readCallerKey } from './caller-key.ts'
import type { HttpRules } from './declared.ts'
import type { Doubts } from './doubts.ts'
import { answerIn, judge } from './judge.ts'
import { isolationOf, isShared, runIdOf, type Caller } from './principal.ts'
import { freeze, type FrozenRequest, type RequestFacts } from './request.ts'
import type { WritePlan } from './routes.ts'

/** One request for a write. */
export interface Exchange {
  readonly guard: Guard
  readonly doubts: Doubts
  readonly rules: HttpRules
  /** `rules.replayHeaders`, as a set. */
  readonly replayHeaders: ReadonlySet<string>
  readonly plan: WritePlan
  readonly caller: Caller
  readonly facts: RequestFacts
  /** Performs the request. Not bound to the client's connection. */
  readonly send: (context: ToolContext, frozen: FrozenRequest) => Promise<Answer>
  /** The client has gone: it waits no longer, and what has begun goes on. */
  readonly signal?: AbortSignal | undefined
  /** Bodies up to this size stand in the record itself, in bytes. @default 65536 */
  readonly inlineBytes?: number | undefined
}

/** What a request came to. */
export interface Told {
  readonly status: 'executed' | 'replayed' | 'joined' | 'in-doubt' | 'rejected'
  readonly answer: Answer
  /** True when this very request was sent. */
  readonly sent: boolean
  readonly key: string | undefined
  readonly ticket: string | undefined
  readonly notice: string | undefined
  /** False while the answer is only in the spool of this machine. */
  readonly recorded: boolean
  readonly occurrence: number
  readonly tenant: string | undefined
}

const INLINE_BYTES = 64 * 1024

/** The caller's key, where the route listens to one. @throws OnefoldError KEY_INVALID */
export const callerKeyOf = ({ plan, facts, rules }: Pick<Exchange, 'plan' | 'facts' | 'rules'>): string | undefined =>
  readCallerKey(plan.declared.key, facts.headers['idempotency-key'], rules.strict)

/**
 * Takes a request through the engine. A caller whose own attempt was answered gets that answer unchanged, whatever it
 * means for the effect; everybody else gets the recorded one, or an error that says how the operation stands.
 * @throws OnefoldError as `perform` does
 */
export async function exchange(request: Exchange): Promise<Told> {
  const { guard, plan, caller, facts } = request
  const callerKey = callerKeyOf(request)
  const recovery = plan.declared.recovery.class
  const frozen = freeze(facts, {
    headers: plan.frozenHeaders,
    inlineBytes: request.inlineBytes ?? INLINE_BYTES,
    whole: recovery !== 'manual',
    shared: isShared(caller),
    blob: recovery !== 'manual' && recovery !== 'probe',
  })
  const scope = plan.undeclared !== undefined && caller.run !== undefined && callerKey === undefined ? 'run' : undefined
  const id = runIdOf(caller, callerKey, facts.headers)
  const options: PerformOptions = {
    run: guard.internals.runOf({
      ...(id === undefined ? {} : { id }),
      ...(caller.tenant === undefined ? {} : { tenant: caller.tenant }),
      session: isolationOf(caller, scope ?? plan.declared.scope ?? 'tenant'),
    }),
    idempotencyKey: callerKey,
    occurrence: caller.occurrence,
    signal: request.signal,
  }
  const large = largeBody(frozen, facts)
  if (large !== undefined) {
    const { key, tenant } = guard.internals.name(plan.contract, frozen, options)
    await guard.internals.blobs.putBlob({ key, tenant }, large.sha256, large.bytes)
  }
  const own: Own = { sent: false, answer: undefined, unwatch: () => {} }
  const { early, execute } = sender(request, own, large)
  const work =
    plan.undeclared !== undefined && callerKey === undefined && caller.occurrence === undefined
      ? guard.internals.undeclared.perform(plan.contract, frozen, plan.undeclared, { ...options, execute })
      : guard.internals.perform(plan.contract, frozen, { ...options, execute })
  // When the early answer wins, what the engine still does is its own.
  work.catch(() => undefined)
  try {
    const outcome = await Promise.race([work, early])
    return 'answer' in outcome ? outcome : toldOutcome(outcome, own)
  } catch (error) {
    return toldError(error, own)
  } finally {
    own.unwatch()
  }
}

/** A body too large for the record, which has to be durable before the marker, so that it can be sent again. */
function largeBody(frozen: FrozenRequest, { body }: RequestFacts): KeptBytes | undefined {
  if (body.kind !== 'bytes' || frozen.body === null || !('blob' in frozen.body)) return undefined
  return { sha256: frozen.body.sha256, bytes: body.bytes }
}

interface Own {
  sent: boolean
  /** The complete answer of this request's own attempt, where it was a success. */
  answer: Answer | undefined
  unwatch: () => void
}

/**
 * The executor of this request, and its early answer: a caller whose attempt was answered by an error is told that error
 * as soon as the ledger has the doubt; what settles it later does not keep the caller waiting.
 */
function sender(
  request: Exchange,
  own: Own,
  large: KeptBytes | undefined,
): { readonly early: Promise<Told>; readonly execute: NonNullable<PerformOptions['execute']> } {
  let tellEarly = (_told: Told): void => {}
  const early = new Promise<Told>((resolve) => (tellEarly = resolve))
  const execute = async (input: unknown, context: ToolContext): Promise<unknown> => {
    if (large !== undefined) await stillKept(request.guard.internals.blobs, ownerOf(context), large)
    own.sent = true
    try {
      const answer = judge(await request.send(context, input as FrozenRequest), request.plan.errors)
      own.answer = answer
      return kept(answer, request.replayHeaders)
    } catch (error) {
      const { key } = context
      const answer = answerIn(error)
      if (answer !== undefined)
        own.unwatch = request.doubts.watch(key, () => tellEarly(toldAnswer(answer, key, 'in-doubt')))
      throw error
    }
  }
  return { early, execute }
}

const toldAnswer = (answer: Answer, key: string, status: 'in-doubt' | 'rejected'): Told => ({
  status,
  answer,
  sent: true,
  key,
  ticket: status === 'in-doubt' ? ticketOf(key) : undefined,
  notice: undefined,
  recorded: true,
  occurrence: 1,
  tenant: undefined,
})

function toldOutcome(outcome: Outcome, own: Own): Told {
  const { record, error } = outcome
  if (outcome.missing !== undefined) throw missing(outcome, outcome.missing)
  // An error that the contract reads as done is replayed as the answer that it was.
  const value = error === undefined ? outcome.value : (answerIn(error) ?? error)
  const executed = own.sent && own.answer !== undefined && !outcome.replayed
  const answer = executed ? (own.answer as Answer) : answerOf(value)
  if (!executed && answer.body === undefined) throw missing(outcome, 'it was too large to keep')
  return {
    status: outcome.joined ? 'joined' : executed ? 'executed' : outcome.replayed || !own.sent ? 'replayed' : 'executed',
    answer,
    sent: own.sent,
    key: outcome.key,
    ticket: outcome.ticket,
    notice: outcome.status === 'accepted' ? 'accepted, not yet confirmed' : outcome.notice,
    recorded: outcome.recorded,
    occurrence: record?.occurrence ?? 1,
    tenant: record?.tenant,
  }
}

/** A caller whose own attempt was answered gets that answer; so does everybody whom a refusal concerns as well. */
function toldError(error: unknown, own: Own): Told {
  if (!isOnefoldError(error)) throw error
  const answer = answerIn(error.cause)
  if (answer === undefined || error.key === undefined) throw error
  if (error.code === 'REJECTED') return toldAnswer(answer, error.key, 'rejected')
  if (error.code === 'IN_DOUBT' && own.sent) return toldAnswer(answer, error.key, 'in-doubt')
  throw error
}

const missing = (outcome: Outcome, why: string): OnefoldError =>
  new OnefoldError(
    'RESULT_EXPIRED',
    `The operation was done, but its result is missing: ${why}. Nothing was executed again; look the result up at the service.`,
    { effect: 'done', key: outcome.key, ticket: outcome.ticket },
  )
