import {
  createNamedSlots,
  ticketOf,
  type Guard,
  type NamedSlots,
  type Outcome,
  type PerformOptions,
} from '../../engine/index.ts'
import { OnefoldError, isOnefoldError } from '../../error/index.ts'
import type { Contract, ToolContext } from '../../contract/index.ts'
import { parseJson } from '../../key/index.ts'
import { forwarded, valueOf } from './call-message.ts'
import { invalid, readCallMeta, type CallMeta } from './call-meta.ts'
import { isolationOf, type Caller, type Reply } from './caller.ts'
import { placedKey } from './contracts.ts'
import type { DeclaredWrite, KeyPlace, ProxyContracts } from './declared.ts'
import { HttpRefused } from './http-refused.ts'
import type { ToolCall } from './message.ts'
import { answerIn, answerLine, died, failureLine, outcomeLine } from './outcome-line.ts'
import { createRuns } from './runs.ts'
import type { Plan } from './tool-book.ts'
import { UpstreamDied } from './upstream.ts'
import { errorAnswer } from './wire-errors.ts'

/** A call that goes through the engine, until its end is in the ledger. */
export interface OpenCall {
  /** True from the moment its bytes may have left. */
  started: boolean
  /** True when the client took it back: it gets no answer (MCP 2025-11-25, cancellation). */
  cancelled: boolean
  readonly abort: AbortController
  readonly ended: Promise<void>
  /** The message, and everyone who has sent it: what a transport sends once more is still the one call. */
  readonly text: string
  readonly callers: Caller[]
}

export interface CallsOptions {
  readonly guard: Guard
  readonly contracts: ProxyContracts
  readonly maxArgumentBytes: number
  readonly nowMs: () => number
}

export interface Calls {
  /** Takes a call over; `id` is its id, normalised, and unique among all callers. */
  take(call: ToolCall, id: string, plan: Exclude<Plan, { kind: 'pass' }>, caller: Caller): void
  /** The client takes a call back. False when it is none of these. */
  cancel(id: string): boolean
  /** Aborts what has not started. */
  abandon(): void
  readonly open: Pick<NamedSlots<OpenCall>, 'size' | 'values'>
}

/** `tools/call` requests on their way through the engine. */
export function createCalls(options: CallsOptions): Calls {
  const { guard, contracts } = options
  const open = createNamedSlots<OpenCall>()
  const runs = createRuns((given) => guard.internals.runOf(given))
  const onDoubt = new Map<string, Set<() => void>>()
  guard.on('doubt', ({ key }) => {
    for (const tell of onDoubt.get(key) ?? []) tell()
  })

  /** Calls `tell` when the ledger says that this operation is in doubt; what it returns stops that. */
  function whenDoubted(key: string, tell: () => void): () => void {
    const tellers = onDoubt.get(key) ?? new Set()
    onDoubt.set(key, tellers.add(tell))
    return () => {
      tellers.delete(tell)
      if (tellers.size === 0 && onDoubt.get(key) === tellers) onDoubt.delete(key)
    }
  }

  function take(call: ToolCall, id: string, plan: Exclude<Plan, { kind: 'pass' }>, caller: Caller): void {
    const idText = call.text.slice(call.id.start, call.id.end)
    const calledAt = options.nowMs()
    const same = open.get(id)
    if (same !== undefined) {
      if (same.text === call.text && !same.cancelled) same.callers.push(caller)
      else caller.answer({ line: failureLine(idText, idInUse(call.tool)) })
      return
    }
    let end = (): void => {}
    const entry: OpenCall = {
      started: false,
      cancelled: false,
      abort: new AbortController(),
      ended: new Promise((resolve) => (end = resolve)),
      text: call.text,
      callers: [caller],
    }
    open.set(id, entry)
    const respond = (reply: Reply, flushed?: () => void): void => {
      if (open.get(id) === entry) open.delete(id)
      if (!entry.cancelled) for (const one of entry.callers) one.answer(reply, one === caller ? flushed : undefined)
      end()
    }
    const fail = (error: unknown): void => respond(failureReply(idText, error))
    if (plan.kind === 'blocked') {
      caller.delivery.heard()
      fail(blocked(call.tool))
      return
    }
    try {
      const input = readArguments(call, options.maxArgumentBytes)
      const meta = readCallMeta(call, input, caller.headers)
      const through = { call, entry, input, meta, idText, caller }
      const work =
        plan.kind === 'declared'
          ? declared(through, plan.contract, plan.place).then((reply) => respond(reply))
          : undeclared(through, plan, id, calledAt).then(({ reply, flushed }) => respond(reply, flushed))
      work.catch(fail)
    } catch (error) {
      caller.delivery.heard()
      fail(error)
    }
  }

  interface Through {
    readonly call: ToolCall
    readonly entry: OpenCall
    readonly input: unknown
    readonly meta: CallMeta
    readonly idText: string
    readonly caller: Caller
  }

  function optionsOf({ entry, meta, caller }: Through, scope: 'tenant' | 'session' | 'run'): PerformOptions {
    return {
      signal: entry.abort.signal,
      idempotencyKey: meta.idempotencyKey,
      occurrence: meta.occurrence,
      round: meta.round,
      ...runFor(caller, meta, scope),
    }
  }

  function runFor(caller: Caller, meta: CallMeta, scope: 'tenant' | 'session' | 'run'): Pick<PerformOptions, 'run'> {
    const { principal, tenant } = caller
    if (principal === undefined)
      return meta.runId === undefined && meta.sessionId === undefined
        ? {}
        : { run: runs.of(meta.runId, meta.sessionId, undefined) }
    return { run: runs.of(meta.runId, isolationOf(principal, scope, meta), tenant) }
  }

  async function declared(through: Through, contract: Contract, place: KeyPlace | undefined): Promise<Reply> {
    through.caller.delivery.heard()
    const tool = contracts.tools.get(through.call.tool) as DeclaredWrite
    const settledBy = tool.recovery.class === 'manual' ? 'by a person' : 'automatically when the server is there again'
    const callOptions = optionsOf(through, tool.scope ?? 'tenant')
    const perform = (execute: PerformOptions['execute']): Promise<Outcome> =>
      guard.internals.perform(contract, through.input, { ...callOptions, execute })
    const ended = await sendOnce(through, place, settledBy, perform)
    if (!('status' in ended)) return ended
    return {
      line: outcomeLine(through.idText, ended, {
        toModel: contract.notice === 'model',
        undeclared: false,
        sent: through.entry.started,
      }),
    }
  }

  async function undeclared(
    through: Through,
    plan: Extract<Plan, { kind: 'undeclared' }>,
    id: string,
    calledAt: number,
  ): Promise<{ readonly reply: Reply; readonly flushed?: () => void }> {
    const { delivery } = through.caller
    const scope = through.meta.runId === undefined ? 'tenant' : 'run'
    const contract = scope === 'tenant' ? plan.tenantWide : plan.withinRun
    const callOptions = optionsOf(through, scope)
    const { key: first } = guard.internals.name(contract, through.input, { ...callOptions, occurrence: 1 })
    delivery.heard(first)
    await delivery.recorded(first)
    const ended = await sendOnce(through, undefined, 'by a person', (execute) =>
      callOptions.occurrence === undefined
        ? guard.internals.undeclared.perform(contract, through.input, contracts.unknownTools, {
            ...callOptions,
            execute,
          })
        : guard.internals.perform(contract, through.input, { ...callOptions, execute }),
    )
    if (!('status' in ended)) return { reply: ended }
    const about = { toModel: false, undeclared: true, sent: through.entry.started }
    const reply = { line: outcomeLine(through.idText, ended, about) }
    if (ended.record === undefined || ended.status === 'awaiting-input' || through.entry.cancelled) return { reply }
    return { reply, flushed: delivery.answered({ key: ended.key, tenant: ended.record.tenant, first, id }, calledAt) }
  }

  /**
   * One call through the engine. A caller whose own attempt got an error, or lost its server, is answered as soon as
   * the ledger has the doubt: what settles it later does not keep the caller waiting.
   */
  async function sendOnce(
    through: Through,
    place: KeyPlace | undefined,
    settledBy: string,
    perform: (execute: PerformOptions['execute']) => Promise<Outcome>,
  ): Promise<Outcome | Reply> {
    const { call, entry, idText, caller } = through
    let tellEarly = (_reply: Reply): void => {}
    const early = new Promise<Reply>((resolve) => {
      tellEarly = (reply) => {
        resolve(reply)
        // Nobody waits any more: the sweeper settles the doubt, and what it finds undone stays undone.
        entry.abort.abort()
      }
    })
    let stopWatching = (): void => {}
    let done = false
    const execute = async (_input: unknown, context: ToolContext): Promise<unknown> => {
      entry.started = true
      try {
        const message = (id: string): string => forwarded(call, id, placedKey(place, context))
        const answer = await caller.send(message, () => context.checkpoint(), {
          signal: context.signal,
          operation: context.key,
        })
        return valueOf(answer, call.tool)
      } catch (error) {
        const reply = earlyReply(error, context.key)
        if (reply !== undefined && !done) stopWatching = whenDoubted(context.key, () => tellEarly(reply()))
        throw error
      }
    }
    const earlyReply = (error: unknown, key: string): (() => Reply) | undefined => {
      const ticket = ticketOf(key)
      const answer = answerIn(error)
      if (answer !== undefined) return () => ({ line: answerLine(idText, answer, { key, ticket, status: 'in-doubt' }) })
      if (error instanceof HttpRefused) return () => ({ http: error.response })
      if (!(error instanceof UpstreamDied)) return undefined
      return () => ({ line: errorAnswer(idText, died(error.message, call.tool, key, ticket, settledBy), 'in-doubt') })
    }
    const work = perform(execute).catch((error: unknown) => {
      throw inMessage(error)
    })
    // When the early answer wins, what the engine still does is its own.
    work.catch(() => undefined)
    try {
      return await Promise.race([work, early])
    } finally {
      done = true
      stopWatching()
    }
  }

  return {
    take,
    open,
    cancel: (id) => {
      const entry = open.get(id)
      if (entry === undefined) return false
      entry.cancelled = true
      for (const caller of entry.callers) caller.takenBack?.()
      // After the byte the effect goes on into the ledger, whoever still listens.
      if (!entry.started) entry.abort.abort()
      return true
    },
    abandon: () => {
      for (const entry of open.values()) if (!entry.started) entry.abort.abort()
    },
  }
}

/** A caller whose own attempt the server refused over HTTP gets that answer as it was. */
function failureReply(id: string, error: unknown): Reply {
  const cause = isOnefoldError(error) ? error.cause : undefined
  return cause instanceof HttpRefused ? { http: cause.response } : { line: failureLine(id, error) }
}

/** The engine names paths into the arguments; a client looks for them in its message. */
function inMessage(error: unknown): unknown {
  if (!isOnefoldError(error) || error.code !== 'INPUT_INVALID') return error
  const { path } = error.details
  return typeof path === 'string' ? invalid(`${ARGUMENTS}${path.slice(1)}`, reasonOf(error)) : error
}

const reasonOf = ({ details, message }: OnefoldError): string =>
  typeof details['reason'] === 'string' ? details['reason'] : message

const ARGUMENTS = '$.params.arguments'

/** @throws OnefoldError INPUT_INVALID with the path into the message */
function readArguments({ text, arguments: given }: ToolCall, maxBytes: number): unknown {
  if (given === undefined) return {}
  if (given.end - given.start > maxBytes) throw invalid(ARGUMENTS, `the arguments are larger than ${maxBytes} bytes`)
  if (text[given.start] !== '{') throw invalid(ARGUMENTS, 'the arguments must be an object')
  try {
    return parseJson(text.slice(given.start, given.end), { maxBytes })
  } catch (error) {
    if (!(error instanceof OnefoldError)) throw error
    const { path: inner, reason } = error.details as { path?: string; reason?: string }
    throw invalid(`${ARGUMENTS}${(inner ?? '$').slice(1)}`, reason ?? 'it is not JSON')
  }
}

const idInUse = (tool: string): OnefoldError =>
  new OnefoldError(
    'IN_PROGRESS',
    `Another call with this id is still under way, and its effect may be happening; this call of ${tool} was not sent. Do not call it again before that one has its answer.`,
    { effect: 'unknown', details: { path: '$.id', reason: 'id-in-use' } },
  )

const blocked = (tool: string): OnefoldError =>
  new OnefoldError(
    'HELD',
    `${tool} is not declared in onefold.yaml, and tools that are not declared are blocked here. No effect started; ask the operator to declare it.`,
    { details: { reason: 'undeclared' } },
  )
