import { ledgerName, type ToolContext } from '../../contract/index.ts'
import { AnsweredError, currentRun, type Guard } from '../../engine/index.ts'
import {
  assertArguments,
  assertGiven,
  contractFor,
  guardTools,
  isForTheModel,
  isGuarded,
  markGuarded,
  type AdapterOptions,
  type Contracts,
  type GuardedTool,
} from '../shared/index.ts'

const KEY_META = 'io.onefold/idempotency-key'
const RUN_META = 'io.onefold/run-id'

type Meta = Record<string, unknown> | null | undefined

interface CallOptions {
  readonly signal?: AbortSignal
}

/** An MCP result (2025-11-25, `CallToolResult`). */
interface Result {
  readonly content: readonly unknown[]
  readonly isError?: boolean
}

/** What this door needs of an MCP server object of @openai/agents (`MCPServer`). */
export interface AgentsMcpServer {
  readonly name: string
  callTool(tool: string, args: Record<string, unknown> | null, meta?: Meta, options?: never): Promise<unknown>
}

interface Server extends Omit<AgentsMcpServer, 'callTool'> {
  callTool(tool: string, args: Record<string, unknown> | null, meta?: Meta, options?: CallOptions): Promise<unknown>
  callToolResult?(
    tool: string,
    args: Record<string, unknown> | null,
    meta?: Meta,
    options?: CallOptions,
  ): Promise<Result>
  toolMetaResolver?: (context: unknown) => Promise<Meta> | Meta
}

/**
 * An MCP server for `new Agent({ mcpServers })`, each of whose tool calls acts once. The key and the run travel in `_meta`,
 * for servers that read them. An answer with `isError` is passed on and is no result; what a person must settle is told to
 * the model as such an answer.
 */
export function protectMcpServer<McpServer extends AgentsMcpServer>(
  guard: Guard,
  server: McpServer,
  contracts: Contracts = {},
  options: AdapterOptions = {},
): McpServer {
  const isServer = typeof (server as Partial<McpServer> | undefined)?.callTool === 'function' && !isGuarded(server)
  const takes = 'an MCP server object of @openai/agents, not yet protected, as its second argument'
  assertGiven('protectMcpServer', isServer, takes, server)
  assertArguments('protectMcpServer', guard, contracts, options)
  const inner = server as unknown as Server
  const tools = new Map<string, GuardedTool>()
  const at = { door: `onefold/openai-agents (${server.name})`, how: 'protectMcpServer(guard, server' }

  function toolOf(name: string): GuardedTool {
    const known = tools.get(name)
    if (known !== undefined) return known
    const again = async (input: unknown, context: ToolContext): Promise<unknown> =>
      storable(await send(name, input as Record<string, unknown>, undefined, undefined, context))
    const adapted = { name, ledgerName: ledgerName(server.name, name), again, maker: server }
    const made = guardTools(guard, at, [adapted], contractFor(contracts, name), options).get(name) as GuardedTool
    tools.set(name, made)
    return made
  }

  async function send(
    tool: string,
    args: Record<string, unknown> | null,
    meta: Meta,
    options: CallOptions | undefined,
    context: ToolContext | undefined,
  ): Promise<Result> {
    const signal = context?.signal ?? options?.signal
    const keyed = { ...meta, ...(context === undefined ? {} : { [KEY_META]: context.downstreamKey() }), ...runMeta() }
    if (inner.callToolResult !== undefined)
      return await inner.callToolResult(tool, args, keyed, { ...options, ...(signal === undefined ? {} : { signal }) })
    const content = (await inner.callTool(tool, args, keyed, {
      ...options,
      ...(signal === undefined ? {} : { signal }),
    })) as Result['content'] & Result
    const { isError, structuredContent, _meta } = content as unknown as Record<string, unknown>
    return { content, ...definedOnly({ isError, structuredContent, _meta }) }
  }

  async function callToolResult(
    tool: string,
    args: Record<string, unknown> | null,
    meta?: Meta,
    options?: CallOptions,
  ): Promise<Result> {
    const guarded = toolOf(tool)
    let own: Result | undefined
    const execute = async (context: ToolContext | undefined): Promise<unknown> => {
      own = await send(tool, args, meta, options, context)
      return guarded.kind === 'read' ? own : storable(own)
    }
    try {
      const told = await guarded.call(args ?? {}, { signal: options?.signal, execute })
      const note = guarded.note(told)
      const result = own ?? restored(told.value as Result)
      return note === undefined ? result : { ...result, content: [...result.content, { type: 'text', text: note }] }
    } catch (error) {
      if (!isForTheModel(error)) throw error
      return restored({ content: [{ type: 'text', text: error.message }], isError: true })
    }
  }

  const replaced: Partial<Server> = {
    callToolResult,
    callTool: async (...call) => (await callToolResult(...call)).content,
    toolMetaResolver: async (context) => {
      const meta = await inner.toolMetaResolver?.(context)
      const run = runMeta()
      return meta === undefined && Object.keys(run).length === 0 ? undefined : { ...meta, ...run }
    },
  }
  // A proxy that hands every other method to the server itself: servers keep private fields, and call their own methods.
  const guarded = new Proxy(server, {
    get: (target, name) => {
      if (Object.hasOwn(replaced, name)) return (replaced as Record<string | symbol, unknown>)[name]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
    has: (target, name) => Object.hasOwn(replaced, name) || Reflect.has(target, name),
  })
  return markGuarded(guarded)
}

function runMeta(): Record<string, string> {
  const run = currentRun()
  return run === undefined ? {} : { [RUN_META]: run.id }
}

/** @throws AnsweredError for an answer that says that the tool failed: that is no result */
function storable(result: Result): Result {
  if (result.isError === true) throw new AnsweredError('the tool answered an error', result)
  return { ...result, content: [...result.content] }
}

/** As the SDK hands results out: `content` carries the rest of the result as hidden properties (mcpShared.ts). */
function restored(result: Result): Result {
  const { content, ...rest } = result
  for (const [name, value] of Object.entries(rest))
    Object.defineProperty(content, name, { value, enumerable: false, configurable: true })
  return result
}

const definedOnly = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
