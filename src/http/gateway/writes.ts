import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ToolContext } from '../../contract/index.ts'
import type { Guard } from '../../engine/index.ts'
import { isOnefoldError } from '../../error/index.ts'
import {
  callerOf,
  callerKeyOf,
  contentOf,
  echoedKey,
  errorResponse,
  exchange,
  isolationOf,
  isShared,
  isSuccessHere,
  problemAnswer,
  proofOf,
  toldResponse,
  wireHeaders,
  type Answer,
  type Caller,
  type Doubts,
  type HttpRules,
  type RequestFacts,
  type Told,
  type WritePlan,
} from '../exchange/index.ts'
import {
  BodyRefused,
  forwardedHeaders,
  isForwarded,
  receiveBody,
  writeAnswer,
  type Delivery,
  type ForwardOptions,
  type ReceivedBody,
  type Secrets,
  type Target,
  type Upstream,
} from '../edge/index.ts'
import { captureAnswer } from './capture.ts'
import { createBreaker } from './flood.ts'
import { operationHeaders } from './forward.ts'
import type { GatewayLimits } from './limits.ts'
import { liveTo, type Live } from './outgoing.ts'
import type { Pages } from './pages.ts'

export interface WritesOptions {
  readonly guard: Guard
  readonly doubts: Doubts
  readonly rules: HttpRules
  readonly replayHeaders: ReadonlySet<string>
  readonly limits: GatewayLimits
  readonly upstream: Upstream
  readonly forward: ForwardOptions
  readonly delivery: Delivery
  readonly secrets: Secrets
  readonly nowMs: () => number
  readonly pages: Pages
  /** Told what must not happen: a defect of the gateway. */
  readonly unexpected: (error: unknown) => void
}

type Handle = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: Target,
  plan: WritePlan,
  params: Readonly<Record<string, string>>,
) => Promise<void>

/** Writes on their way through the engine. */
export function createWrites(options: WritesOptions): Handle {
  const { guard, rules, limits, upstream, delivery, pages } = options
  const breaker = createBreaker({
    most: limits.floodDuplicates,
    windowMs: limits.floodWindowMs,
    nowMs: options.nowMs,
  })
  const waiting = new Map<string, number>()
  const sending = new WeakMap<ReceivedBody, Promise<Answer>>()

  return async (incoming, outgoing, target, plan, params) => {
    const calledAt = options.nowMs()
    const headers = incoming.headers as Readonly<Record<string, string | undefined>>
    const sentKey = echoedKey(headers['idempotency-key'])
    let body: ReceivedBody | undefined
    let entered: string | undefined
    try {
      body = await receiveBody(incoming, limits)
      const caller = callerOf(headers, rules, options.forward.preserveHost)
      const facts: RequestFacts = {
        method: incoming.method ?? 'POST',
        path: target.path,
        search: target.search,
        params,
        headers,
        body: body.facts,
      }
      const key = callerKeyOf({ plan, facts, rules })
      const same = nameOf(plan, caller, key, facts, incoming)
      const refusedMs = breaker.refuses(same)
      if (refusedMs !== undefined) return refuse(incoming, outgoing, flood(refusedMs), sentKey)
      const already = waiting.get(same) ?? 0
      if (already >= limits.waiters) return refuse(incoming, outgoing, crowd(), sentKey)
      waiting.set(same, already + 1)
      entered = same
      // Evidence of delivery must be in the ledger before an identical request is judged by it.
      const heard = delivery.heard(incoming.socket, same)
      if (heard !== undefined && plan.undeclared !== undefined) await heard
      await perform({ incoming, outgoing, target, plan, facts, caller, body, key, sentKey, same, calledAt })
    } catch (error) {
      fail(incoming, outgoing, error, sentKey)
    } finally {
      if (entered !== undefined) leave(entered)
      if (body !== undefined && body.facts.kind === 'spooled') {
        // A client that has left does not end the sending, which still reads the file.
        const taken = body
        void Promise.allSettled([sending.get(taken)]).then(() => taken.dispose())
      }
    }
  }

  interface Work {
    readonly incoming: IncomingMessage
    readonly outgoing: ServerResponse
    readonly target: Target
    readonly plan: WritePlan
    readonly facts: RequestFacts
    readonly caller: Caller
    readonly body: ReceivedBody
    readonly key: string | undefined
    readonly sentKey: string | undefined
    readonly same: string
    readonly calledAt: number
  }

  async function perform(work: Work): Promise<void> {
    const { incoming, outgoing, plan, facts, caller, sentKey, same } = work
    const gone = new AbortController()
    const onClose = (): void => {
      if (!outgoing.writableFinished) gone.abort()
    }
    outgoing.once('close', onClose)
    const session = isolationOf(caller, plan.declared.scope ?? 'tenant')
    const proof = isShared(caller) ? proofOf(facts.headers) : undefined
    options.secrets.remember({ tenant: caller.tenant, session, proof }, incoming.rawHeaders)
    let live: Live | undefined
    try {
      const told = await exchange({
        guard,
        doubts: options.doubts,
        rules,
        replayHeaders: options.replayHeaders,
        plan,
        caller,
        facts: await withBlob(facts, plan, work.body),
        signal: gone.signal,
        send: (context) => {
          live = liveTo(outgoing, (status) =>
            wireHeaders({ ...EXECUTED, status: isSuccessHere(status, plan.errors) ? 'executed' : 'in-doubt' }, sentKey),
          )
          const sent = send(work, context, live)
          sending.set(work.body, sent)
          return sent
        },
      })
      if (told.status === 'replayed' || told.status === 'joined') breaker.duplicate(same)
      await answer(work, told, live)
    } catch (error) {
      if (isOnefoldError(error) && error.code !== 'STORE_UNAVAILABLE') breaker.duplicate(same)
      if (live?.begun !== true) throw error
      // A deadline ends the waiting of the ledger; what the client has begun to read comes to its own end.
      if (isOnefoldError(error) && error.code === 'IN_DOUBT') await relayed(work, live)
      else outgoing.destroy()
    } finally {
      outgoing.off('close', onClose)
    }
  }

  async function send(work: Work, context: ToolContext, live: Live): Promise<Answer> {
    const { incoming, target, plan, body } = work
    const headers = forwardedHeaders(incoming, options.forward, operationHeaders(plan, work.key, context))
    if (body.size > 0 || needsLength(incoming.method)) headers.push('content-length', String(body.size))
    const answered = await upstream.send({
      method: incoming.method ?? 'POST',
      target: target.path + target.search,
      headers,
      body: body.bytes(),
      checkpoint: context.checkpoint,
      signal: context.signal,
    })
    const { errors } = plan
    const answer = await captureAnswer(answered, {
      service: upstream.url,
      answerBytes: limits.answerBytes,
      live,
      errors,
    })
    pages.heard(incoming, answer.headers)
    return answer
  }

  /** Ends a live answer where the service has; one that broke off has broken the client's already. */
  async function relayed({ body }: Work, live: Live): Promise<void> {
    await sending.get(body)?.then(live.end, live.broken)
  }

  async function answer(work: Work, told: Told, live: Live | undefined): Promise<void> {
    const { outgoing, plan, key, caller, incoming, same } = work
    if (plan.undeclared !== undefined && key === undefined && told.tenant !== undefined && told.key !== undefined) {
      const { socket, headers } = incoming
      if (caller.occurrence === undefined && !isForwarded(headers)) {
        const flushed = delivery.answered(socket, { key: told.key, tenant: told.tenant, same }, work.calledAt)
        outgoing.once('finish', flushed)
      }
    }
    if (live?.begun === true) await relayed(work, live)
    else {
      const response = toldResponse(told, work.sentKey)
      writeAnswer(outgoing, told.sent ? response : pages.shown(incoming, response))
    }
  }

  function refuse(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    refusal: Answer,
    sentKey: string | undefined,
  ): void {
    const echo = sentKey === undefined ? [] : [['idempotency-key', sentKey] as const]
    writeAnswer(outgoing, pages.shown(incoming, { ...refusal, headers: [...refusal.headers, ...echo] }))
  }

  function fail(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    error: unknown,
    sentKey: string | undefined,
  ): void {
    if (outgoing.destroyed) return
    if (error instanceof BodyRefused) {
      if (error.why === 'broken') return void outgoing.destroy()
      const detail = `The body is larger than ${limits.bodyBytes} bytes. Nothing was done.`
      // The rest of the body is not waited for.
      writeAnswer(outgoing, pages.shown(incoming, problemAnswer(rules.profile, { problem: 'TOO_LARGE', detail })), true)
      return
    }
    if (!isOnefoldError(error)) options.unexpected(error)
    writeAnswer(outgoing, pages.shown(incoming, errorResponse(rules.profile, error, sentKey)), !incoming.complete)
  }

  function leave(same: string): void {
    const left = (waiting.get(same) ?? 1) - 1
    if (left <= 0) waiting.delete(same)
    else waiting.set(same, left)
  }

  function flood(retryAfterMs: number): Answer {
    return problemAnswer(rules.profile, {
      problem: 'TOO_MANY',
      detail:
        'This operation was asked for too often by the same client. Nothing was done again; its outcome stands as it was told.',
      effect: 'unknown',
      retryAfterMs,
    })
  }

  function crowd(): Answer {
    return problemAnswer(rules.profile, {
      problem: 'IN_PROGRESS',
      detail: `More than ${limits.waiters} requests wait for this operation. Nothing was done again.`,
      effect: 'unknown',
      retryAfterMs: 1000,
    })
  }
}

const EXECUTED: Told = {
  status: 'executed',
  answer: { status: 200, headers: [], body: '' },
  sent: true,
  key: undefined,
  ticket: undefined,
  notice: undefined,
  recorded: true,
  occurrence: 1,
  tenant: undefined,
}

/** RFC 9110 section 8.6: a method that expects content says that there is none. */
const needsLength = (method: string | undefined): boolean => method === 'POST' || method === 'PUT' || method === 'PATCH'

/** Equal for requests that are the same operation by the same client, as far as can be said before it is named. */
function nameOf(
  plan: WritePlan,
  caller: Caller,
  key: string | undefined,
  facts: RequestFacts,
  { socket }: IncomingMessage,
): string {
  const who = isShared(caller) ? (socket.remoteAddress ?? '') : caller.principal
  const what = key ?? `${facts.path}${facts.search}\n${contentOf(facts)}`
  return `${caller.tenant ?? ''}\n${who}${caller.place}\n${plan.name}\n${what}`
}

/** A spooled body that may have to be sent again is read once, so that the ledger can keep it. */
async function withBlob(facts: RequestFacts, plan: WritePlan, body: ReceivedBody): Promise<RequestFacts> {
  if (facts.body.kind !== 'spooled' || plan.declared.recovery.class !== 'keyed') return facts
  return { ...facts, body: { kind: 'bytes', bytes: await body.whole() } }
}
