import { knownOptions, withDefaults, type NamesOf } from '../../contract/index.ts'
import type { Guard } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { CONTRACT } from '../proxy/listed-contracts.ts'
import type { CallFacts, HandlerExtra } from './call-facts.ts'
import { createServerCalls, type CallHandler, type CallRequest, type ServerCalls } from './calls.ts'
import type { ServerContract } from './contract.ts'
import { createPlans, type ServerPlans, type UnknownTools } from './plans.ts'
import { watchRegistrations } from './registrations.ts'

/** How a server is protected, beside its contracts. */
export interface ProtectServerOptions {
  /** Name of the server in contracts and in the ledger; the same after every restart. @default 'mcp' */
  readonly name?: string
  /** @default { mode: 'guarded', afterDelivery: 'run', afterError: 'hold' } */
  readonly unknownTools?: Partial<UnknownTools>
  /** Whose operation a call is; undefined for the default, the subject or the token of `authInfo`, else the credentials of the request. */
  readonly principal?: (call: CallFacts) => string | undefined
  /** When clients give up at the latest without saying so. @default 30000 */
  readonly clientTimeoutMs?: number
}

const NAMES: NamesOf<ProtectServerOptions> = {
  name: true,
  unknownTools: true,
  principal: true,
  clientTimeoutMs: 'number',
}
const UNKNOWN_NAMES: NamesOf<UnknownTools> = { mode: true, afterDelivery: true, afterError: true }
const UNKNOWN: UnknownTools = { mode: 'guarded', afterDelivery: 'run', afterError: 'hold' }

/** The servers of both SDKs: `McpServer` (with the low-level one in it) and `Server`. */
export type ProtectableServer =
  | { readonly server: object }
  | { readonly setRequestHandler: (...given: never[]) => unknown }

/**
 * Puts the ledger in front of every tool of an MCP server; call it before tools are registered. Takes `McpServer` and
 * `Server` of @modelcontextprotocol/sdk 1 and @modelcontextprotocol/server 2, changes that object, and returns it.
 * A tool's contract stands here by name, or beside its schema as `_meta: contract({ … })`; a tool without one is guarded
 * by all its arguments. What goes wrong with a call is told to its caller, never thrown into the server.
 * @throws OnefoldError CONTRACT_INVALID for a contract that contradicts itself, or an object that is no such server,
 * CONFIG_INVALID for an option that there is not
 */
export function protectServer<S extends ProtectableServer>(
  guard: Guard,
  server: S,
  contracts: Readonly<Record<string, ServerContract>> = {},
  options: ProtectServerOptions = {},
): S {
  const low = lowLevel(server)
  knownOptions('protectServer', options, NAMES)
  if (options.unknownTools !== undefined)
    knownOptions('unknownTools of protectServer', options.unknownTools, UNKNOWN_NAMES)
  const unknownTools = withDefaults(UNKNOWN, options.unknownTools)
  const calls = createServerCalls({
    guard,
    unknownTools,
    principal: options.principal,
    clientTimeoutMs: options.clientTimeoutMs ?? 30_000,
  })
  const plans = createPlans(guard, options.name ?? 'mcp', unknownTools, calls.again)
  for (const [tool, declared] of Object.entries(contracts)) plans.declare(tool, declared)
  refuseRegistered(server)
  watchRegistrations(server, plans, calls)
  const wrap = wrapping(plans, calls)
  const set = low.setRequestHandler
  low.setRequestHandler = function (what: unknown, ...given: unknown[]): unknown {
    const method = methodOf(what)
    const handler = given.at(-1)
    if (typeof handler === 'function') given.splice(-1, 1, wrap(method, handler as CallHandler))
    const answer = set.call(low, what, ...given)
    if (method === 'tools/call') noteRawKeys(low, calls)
    return answer
  }
  // A server with `capabilities.tools` sets its handlers when it is made (SDK 1): those are wrapped where they are.
  for (const method of ['tools/call', 'tools/list']) {
    const there = low._requestHandlers?.get(method)
    if (there !== undefined) low._requestHandlers?.set(method, wrap(method, there))
  }
  noteRawKeys(low, calls)
  return server
}

interface LowLevelServer {
  setRequestHandler: (what: unknown, ...given: unknown[]) => unknown
  /** Private in both SDKs; looked into where it is there. */
  readonly _requestHandlers?: Map<string, CallHandler>
}

function lowLevel(server: object): LowLevelServer {
  const low = ((server as { server?: unknown }).server ?? server) as LowLevelServer
  if (typeof low.setRequestHandler === 'function') return low
  throw new OnefoldError(
    'CONTRACT_INVALID',
    'protectServer takes McpServer or Server of @modelcontextprotocol/sdk 1 or @modelcontextprotocol/server 2. Nothing was protected.',
  )
}

function refuseRegistered(server: object): void {
  const registered = Object.keys((server as { _registeredTools?: object })._registeredTools ?? {})
  if (registered.length === 0) return
  throw new OnefoldError(
    'CONTRACT_INVALID',
    `protectServer comes before tools are registered, and ${registered.join(', ')} ${registered.length === 1 ? 'is' : 'are'} already. Nothing was protected; move the line up.`,
  )
}

/** What stands in place of the handlers of `tools/call` and `tools/list`. */
function wrapping(plans: ServerPlans, calls: ServerCalls): (method: string, handler: CallHandler) => CallHandler {
  return (method: string, handler: CallHandler): CallHandler => {
    if (method === 'tools/call') {
      calls.handler = handler
      return (request, extra) => {
        const plan = plans.of(request.params.name)
        return plan.kind === 'pass' ? handler(request, extra) : calls.take(plan, request, extra)
      }
    }
    if (method !== 'tools/list') return handler
    return async (request, extra) => {
      const listed = (await handler(request, extra)) as { readonly tools?: readonly ListedTool[] }
      return Array.isArray(listed.tools)
        ? { ...listed, tools: listed.tools.map((tool) => described(tool, plans)) }
        : listed
    }
  }
}

interface ListedTool {
  readonly name: string
  readonly _meta?: Readonly<Record<string, unknown>> | undefined
}

function described(tool: ListedTool, plans: ServerPlans): ListedTool {
  const contract = plans.describe(tool.name)
  return contract === undefined ? tool : { ...tool, _meta: { ...tool._meta, [CONTRACT]: contract } }
}

/** The outermost place where a request is still whole. */
function noteRawKeys({ _requestHandlers: handlers }: LowLevelServer, { rawKeys }: ServerCalls): void {
  const handler = handlers?.get('tools/call')
  if (handler === undefined || handler === noting.get(handler)) return
  const outer: CallHandler = (request: CallRequest, extra: HandlerExtra) => {
    const key = (request.params as { readonly idempotencyKey?: unknown } | undefined)?.idempotencyKey
    const signal = extra.mcpReq?.signal ?? extra.signal
    if (key !== undefined && signal !== undefined) rawKeys.set(signal, key)
    return handler(request, extra)
  }
  noting.set(outer, outer)
  handlers?.set('tools/call', outer)
}

const noting = new WeakMap<CallHandler, CallHandler>()

/** The method that a handler is set for: its name (SDK 2), or the schema whose `method` is a literal (SDK 1, zod 3 and 4). */
function methodOf(what: unknown): string {
  if (typeof what === 'string') return what
  const { shape, _def } = what as { shape?: unknown; _def?: { shape?: unknown } }
  const given = shape ?? _def?.shape
  const members = (typeof given === 'function' ? (given as () => unknown)() : given) as { method?: Literal } | undefined
  const literal = members?.method
  const value = literal?.value ?? literal?._def?.value ?? literal?._def?.values?.[0]
  if (typeof value === 'string') return value
  throw new OnefoldError(
    'CONTRACT_INVALID',
    'protectServer cannot see for which method this handler is, so it might be the one that runs the tools. It was not set; pass a schema whose method is a literal.',
  )
}

interface Literal {
  readonly value?: unknown
  readonly _def?: { readonly value?: unknown; readonly values?: readonly unknown[] }
}
