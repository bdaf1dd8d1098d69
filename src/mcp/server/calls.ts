import {
  AnsweredError,
  keepNewest,
  operationOf,
  Question,
  type Guard,
  type Outcome,
  type PerformOptions,
} from '../../engine/index.ts'
import { isOnefoldError, OnefoldError } from '../../error/index.ts'
import type { ToolContext } from '../../contract/index.ts'
import { RECEIPT } from '../proxy/answers.ts'
import { createDelivery, type Delivery } from '../proxy/delivery.ts'
import { answerIn, missing, ticketFor, wireReceipt, type WireReceipt } from '../proxy/outcome-line.ts'
import { errorAnswer } from '../proxy/wire-errors.ts'
import {
  factsOf,
  idOf,
  isHttp,
  metaOf,
  principalOf,
  signalOf,
  type CallFacts,
  type HandlerExtra,
  type ServerCallMeta,
} from './call-facts.ts'
import { readResult, storedResult, type ServerTool, type ToldAnswer, type ToolResult } from './contract.ts'
import { doubtsOf } from './doubts.ts'
import { bindContext } from './tool-context.ts'
import type { ServerPlan, UnknownTools } from './plans.ts'

/** A `tools/call` request, as both SDKs hand it to a handler. */
export interface CallRequest {
  readonly method: string
  readonly params: {
    readonly name: string
    readonly arguments?: Readonly<Record<string, unknown>> | undefined
    readonly [name: string]: unknown
  }
}

export type CallHandler = (request: CallRequest, extra: HandlerExtra) => unknown

export interface ServerCallsOptions {
  readonly guard: Guard
  readonly unknownTools: UnknownTools
  readonly principal: ((call: CallFacts) => string | undefined) | undefined
  readonly clientTimeoutMs: number
}

export interface ServerCalls {
  /** One call through the engine: what the SDK is to answer. Throws what it is to answer as a JSON-RPC error. */
  take(plan: Exclude<ServerPlan, { kind: 'pass' }>, request: CallRequest, extra: HandlerExtra): Promise<unknown>
  /** Runs the handler for a recovery, as the caller who still waits where there is one. */
  again(tool: string, input: unknown, context: ToolContext): Promise<unknown>
  /** The handler that the SDK, or the application, has set. */
  handler: CallHandler | undefined
  /** What a registered callback came to, by what it was given. */
  readonly notes: WeakMap<object, Note>
  /** SEP-3182's `params.idempotencyKey`, by the signal of its request: the SDKs drop it before a handler runs. */
  readonly rawKeys: WeakMap<AbortSignal, unknown>
}

/** How a registered callback ended: the SDK makes an answer of it in which that is no longer to be seen. */
export type Note = { readonly threw: unknown } | { readonly returned: true }

const KEPT_CONNECTIONS = 1_000

export function createServerCalls(options: ServerCallsOptions): ServerCalls {
  const { guard } = options
  const whenDoubted = doubtsOf(guard)
  const notes = new WeakMap<object, Note>()
  const rawKeys = new WeakMap<AbortSignal, unknown>()
  const callers = new Map<string, HandlerExtra>()
  const connections = new Map<string, Delivery>()

  async function take(
    plan: Exclude<ServerPlan, { kind: 'pass' }>,
    request: CallRequest,
    extra: HandlerExtra,
  ): Promise<unknown> {
    const delivery = deliveryOf(extra)
    try {
      if (plan.kind === 'blocked') throw blocked(request.params.name, plan.meant)
      const input = request.params.arguments ?? {}
      const signal = signalOf(extra)
      const meta = metaOf(extra, input, signal === undefined ? undefined : rawKeys.get(signal))
      const performOptions = optionsOf(plan.tool, meta, extra)
      if (plan.kind === 'declared') {
        delivery?.heard()
        return await send(plan.tool, request, extra, false, (execute) =>
          guard.internals.perform(plan.tool.contract, input, { ...performOptions, execute }),
        )
      }
      return await undeclared(plan.tool, request, extra, performOptions, delivery)
    } catch (error) {
      if (!isOnefoldError(error)) throw error
      return toldError(error)
    }
  }

  async function undeclared(
    tool: ServerTool,
    request: CallRequest,
    extra: HandlerExtra,
    performOptions: PerformOptions,
    delivery: Delivery | undefined,
  ): Promise<unknown> {
    // Over HTTP messages overtake each other, so an equal call may be the retry of a caller who never saw the answer:
    // as if it had come too late, it is no evidence by itself.
    const calledAt = isHttp(extra) ? -Infinity : performance.now()
    const input = request.params.arguments ?? {}
    const { key: first } = guard.internals.name(tool.contract, input, { ...performOptions, occurrence: 1 })
    delivery?.heard(first)
    await delivery?.recorded(first)
    const id = idOf(extra)
    let outcome: Outcome | undefined
    const told = await send(tool, request, extra, true, async (execute) => {
      outcome = await (performOptions.occurrence === undefined
        ? guard.internals.undeclared.perform(tool.contract, input, options.unknownTools, { ...performOptions, execute })
        : guard.internals.perform(tool.contract, input, { ...performOptions, execute }))
      return outcome
    })
    const signal = signalOf(extra)
    if (delivery !== undefined && outcome?.record !== undefined && signal?.aborted !== true) {
      const flushed = delivery.answered({ key: outcome.key, tenant: outcome.record.tenant, first, id }, calledAt)
      signal?.addEventListener('abort', () => delivery.cancelled(id), { once: true })
      // The SDK hands the answer to its transport in the next turns; what comes later from this client is evidence.
      setImmediate(flushed)
    }
    return told
  }

  /** Evidence of delivery needs to know who goes on: over HTTP only a session tells. */
  function deliveryOf(extra: HandlerExtra): Delivery | undefined {
    if (isHttp(extra) && extra.sessionId === undefined) return undefined
    const connection = extra.sessionId ?? ''
    const delivery =
      connections.get(connection) ??
      createDelivery({
        deliver: (key, tenant) => guard.internals.undeclared.deliver(key, tenant, 'mcp client'),
        nowMs: () => performance.now(),
        clientTimeoutMs: options.clientTimeoutMs,
      })
    keepNewest(connections, connection, delivery, KEPT_CONNECTIONS)
    return delivery
  }

  function optionsOf({ scope }: ServerTool, meta: ServerCallMeta, extra: HandlerExtra): PerformOptions {
    const principal = principalOf(factsOf(extra), options.principal)
    return {
      signal: signalOf(extra),
      idempotencyKey: meta.idempotencyKey,
      occurrence: meta.occurrence,
      ...(meta.round === undefined ? {} : { round: meta.round }),
      run: guard.internals.runOf({
        ...(meta.runId === undefined ? {} : { id: meta.runId }),
        session: isolationOf(principal, scope, scope === 'run' ? meta.runId : meta.sessionId),
      }),
    }
  }

  /**
   * Performs one call. A caller whose own attempt the handler answered with an error gets that answer as soon as the
   * ledger has the doubt; where the handler threw, after one recovery that threw as well.
   */
  async function send(
    tool: ServerTool,
    request: CallRequest,
    extra: HandlerExtra,
    isUndeclared: boolean,
    perform: (execute: PerformOptions['execute']) => Promise<Outcome>,
  ): Promise<unknown> {
    let own: ToolResult | undefined
    let sent = false
    let stop = (): void => {}
    let tellEarly = (_receipt: WireReceipt): void => {}
    const early = new Promise<ToolResult>((resolve) => {
      tellEarly = (receipt) => resolve(withReceipt(own as ToolResult, receipt))
    })
    const execute = async (_input: unknown, context: ToolContext): Promise<unknown> => {
      sent = true
      const key = operationOf(context)
      callers.set(key, extra)
      try {
        return await run(request, detached(extra, context.signal), context)
      } catch (error) {
        if (!(error instanceof HandlerAnswer)) throw error
        own = error.result
        // What it threw may be a lost answer, which sending again settles: once, and then its caller is told.
        let doubtsToWaitFor = error.threw ? 2 : 1
        stop = whenDoubted(key, () => {
          doubtsToWaitFor -= 1
          if (doubtsToWaitFor > 0) return
          tellEarly({ key, ticket: ticketFor({ key }), status: 'in-doubt' })
        })
        throw error.cause
      } finally {
        if (callers.get(key) === extra) callers.delete(key)
      }
    }
    const work = perform(execute).then(
      (outcome) => toldOutcome(tool, outcome, sent, isUndeclared),
      (error: unknown) => {
        if (!isOnefoldError(error)) throw error
        if (error.code !== 'IN_DOUBT' && error.code !== 'REJECTED') throw error
        const status = error.code === 'IN_DOUBT' ? 'in-doubt' : 'rejected'
        if (sent && own !== undefined) return withReceipt(own, { key: error.key, ticket: ticketFor(error), status })
        // A protocol error of the handler's own stays one.
        if (sent && error.code === 'REJECTED' && isProtocolError(error.cause)) throw error.cause
        throw error
      },
    )
    // When the early answer wins, what the engine still does is its own.
    work.catch(() => undefined)
    try {
      return await Promise.race([work, early])
    } finally {
      stop()
    }
  }

  /** The handler's answer as the ledger keeps it. @throws HandlerAnswer for an answered error; what the handler threw */
  async function run(request: CallRequest, given: HandlerExtra, context: ToolContext): Promise<unknown> {
    const handler = handlerOrThrow()
    bindContext(given, guard, context)
    const result = (await handler(request, given)) as ToolResult
    if (result['resultType'] === 'input_required') return new Question(result)
    if (result.isError !== true) return storedResult(result)
    const note = notes.get(given)
    if (note !== undefined && 'threw' in note) throw new HandlerAnswer(result, note.threw, true)
    const answer: ToldAnswer = {
      kind: 'result',
      json: JSON.stringify(result),
      handlerReturned: note !== undefined && isRefusedByTheSdk(result),
    }
    throw new HandlerAnswer(result, new AnsweredError(`${request.params.name} answered an error`, answer), false)
  }

  const handlerOrThrow = (): CallHandler => {
    if (calls.handler === undefined) throw new Error('no handler for tools/call has been set')
    return calls.handler
  }

  const calls: ServerCalls = {
    take,
    handler: undefined,
    notes,
    rawKeys,
    again: async (tool, input, context) => {
      const given = detached(callers.get(operationOf(context)) ?? NOBODY, context.signal)
      const params = { name: tool, arguments: input as Readonly<Record<string, unknown>> }
      try {
        return await run({ method: 'tools/call', params }, given, context)
      } catch (error) {
        throw error instanceof HandlerAnswer ? error.cause : error
      }
    },
  }
  return calls
}

/** An error result, with what it was made of. */
class HandlerAnswer extends Error {
  readonly result: ToolResult
  /** True when the handler threw it, and did not answer it. */
  readonly threw: boolean
  constructor(result: ToolResult, cause: unknown, threw: boolean) {
    super('the handler answered an error', { cause })
    this.result = result
    this.threw = threw
  }
}

/** What the SDKs (server/mcp, validateToolOutput) answer in place of a result that does not fit the tool's schema. */
const isRefusedByTheSdk = ({ content }: ToolResult): boolean => {
  const { text } = (content?.[0] ?? {}) as { text?: unknown }
  return typeof text === 'string' && /^(MCP error -32602: )?Output validation error: /.test(text)
}

const isProtocolError = (error: unknown): boolean =>
  error instanceof Error && Number.isSafeInteger((error as { code?: unknown }).code)

function toldOutcome(tool: ServerTool, outcome: Outcome, sent: boolean, isUndeclared: boolean): unknown {
  if (outcome.status === 'awaiting-input') return outcome.value
  if (outcome.missing !== undefined) throw missing(outcome)
  const receipt = wireReceipt(outcome, { undeclared: isUndeclared, sent })
  const failed = answerIn(outcome.error)
  if (failed !== undefined) return withReceipt(JSON.parse(failed.json) as ToolResult, receipt)
  const result = resultIn(outcome.value)
  if (tool.contract.notice !== 'model' || outcome.notice === undefined) return withReceipt(result, receipt)
  const content = [...(result.content ?? []), { type: 'text', text: outcome.notice }]
  return withReceipt({ ...result, content }, receipt)
}

/** The result in a recorded value; also in one that a person gave when settling a doubt. */
function resultIn(value: unknown): ToolResult {
  if (typeof value === 'object' && value !== null) {
    if ('mcpResult' in value) return readResult(value)
    if (Array.isArray((value as ToolResult).content)) return value as ToolResult
  }
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'done')
  return { content: [{ type: 'text', text }] }
}

const withReceipt = (result: ToolResult, receipt: WireReceipt): ToolResult => ({
  ...result,
  _meta: { ...result._meta, [RECEIPT]: receipt },
})

/** What a model has to read is a result; everything else is thrown, for the SDK to answer as a JSON-RPC error. */
function toldError(error: OnefoldError): unknown {
  const status = error.code === 'IN_DOUBT' ? 'in-doubt' : 'rejected'
  const line = JSON.parse(errorAnswer('0', error, status)) as {
    readonly result?: unknown
    readonly error?: { readonly code: number; readonly message: string; readonly data: unknown }
  }
  if (line.error === undefined) return line.result
  throw Object.assign(new Error(line.error.message, { cause: error }), line.error)
}

/**
 * What the handler is given, with the attempt's own signal in place of the caller's: an effect that has begun is not
 * cut off because its caller stops listening (protocol.md section 8, abort by phase).
 */
function detached(extra: HandlerExtra, signal: AbortSignal): HandlerExtra {
  return {
    ...extra,
    ...(extra.signal === undefined ? {} : { signal }),
    ...(extra.mcpReq === undefined ? {} : { mcpReq: { ...extra.mcpReq, signal } }),
  }
}

const nobody = (): Promise<never> =>
  Promise.reject(new Error('nobody waits for this call any more: it is run again to settle its outcome'))

/** What a handler is given where its caller is gone. Both SDKs' shapes: a handler looks into its own only. */
const NOBODY: HandlerExtra = {
  signal: new AbortController().signal,
  requestId: 'onefold-recovery',
  _meta: {},
  sendNotification: () => Promise.resolve(),
  sendRequest: nobody,
  mcpReq: {
    id: 'onefold-recovery',
    method: 'tools/call',
    _meta: {},
    requestState: () => undefined,
    signal: new AbortController().signal,
    send: nobody,
    notify: () => Promise.resolve(),
    log: () => Promise.resolve(),
    elicitInput: nobody,
    requestSampling: nobody,
  },
} as HandlerExtra

/** The text within which identities are compared: the principal, and what the contract's scope adds. */
function isolationOf(principal: string, scope: ServerTool['scope'], within: string | undefined): string {
  if (scope === 'tenant') return principal
  if (within === undefined) {
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `This tool compares operations within a ${scope}, so the call must bring _meta["io.onefold/${scope}-id"] or Onefold-${scope === 'run' ? 'Run' : 'Session'}. No effect started.`,
    )
  }
  return `${principal}/${scope}:${within}`
}

const blocked = (tool: string, meant: string | undefined): OnefoldError =>
  new OnefoldError(
    'HELD',
    meant === undefined
      ? `${tool} has no contract, and tools without one are blocked here. No effect started; give it a contract.`
      : `${tool} has no contract, and the one of ${meant} belongs to no tool. No effect started; correct the name, or give ${tool} a contract of its own.`,
    { details: { reason: 'undeclared' } },
  )
