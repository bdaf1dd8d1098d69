import type { Writable } from 'node:stream'
import { OnefoldError } from '../../error/index.ts'
import { startUpstream, UpstreamDied, type Upstream, type UpstreamAnswer } from '../proxy/upstream.ts'

/** A tool as a server lists it (MCP 2025-11-25 and 2026-07-28, server/tools). */
export interface ListedTool {
  readonly name: string
  readonly description?: string
  readonly inputSchema?: ListedSchema & {
    readonly $defs?: Readonly<Record<string, ListedField>>
    readonly definitions?: Readonly<Record<string, ListedField>>
  }
  readonly annotations?: {
    readonly readOnlyHint?: boolean
    readonly destructiveHint?: boolean
    readonly idempotentHint?: boolean
  }
  readonly _meta?: Readonly<Record<string, unknown>>
}

export interface ListedSchema {
  readonly properties?: Readonly<Record<string, ListedField>>
  readonly required?: readonly string[]
}

export interface ListedField extends ListedSchema {
  readonly $ref?: unknown
  readonly type?: unknown
  readonly description?: string
}

/** What a server says of itself, and its tools. */
export interface ToolListing {
  readonly server: { readonly name?: string; readonly version?: string }
  readonly protocol: string
  readonly tools: readonly ListedTool[]
}

export interface ListToolsOptions {
  readonly command: string
  readonly args: readonly string[]
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** The server's own standard error goes there. */
  readonly stderr: Writable
  /** @default 30000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

const PROTOCOL_2025 = '2025-11-25'
const PROTOCOL_2026 = '2026-07-28'
const CLIENT = { name: 'onefold', version: '0' }
const METHOD_NOT_FOUND = -32601
const MOST_PAGES = 1_000
const MEBIBYTE = 1024 * 1024

/**
 * Starts an MCP server, asks it for its tools, and ends it. No tool is called.
 * @throws OnefoldError INPUT_INVALID when the command cannot be started, does not answer, or lists no tools
 */
export async function listTools(options: ListToolsOptions): Promise<ToolListing> {
  const upstream = startUpstream({
    command: options.command,
    args: options.args,
    env: options.env ?? process.env,
    cwd: options.cwd,
    stderr: options.stderr,
    maxMessageBytes: 64 * MEBIBYTE,
    // A server may ask its client things before it answers; this client can do none of them.
    onLine: (_bytes, message) => {
      if (message?.asks === true && message.id !== undefined) refuse(upstream, message.id)
    },
    onLost: () => {},
  })
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 30_000)
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal])
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  aborted.catch(() => undefined)
  try {
    await upstream.started
    return await Promise.race([ask(upstream, signal), aborted])
  } catch (error) {
    if (options.signal?.aborted === true) throw options.signal.reason as Error
    throw notListed(options.command, error)
  } finally {
    await upstream.stop(1_000)
  }
}

async function ask(upstream: Upstream, signal: AbortSignal): Promise<ToolListing> {
  const request = async (method: string, params: object): Promise<UpstreamAnswer> =>
    await upstream.request(
      (id) => `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${JSON.stringify(params)}}`,
      () => {},
      {
        signal,
        operation: undefined,
      },
    )
  const hello = await request('initialize', {
    protocolVersion: PROTOCOL_2025,
    capabilities: {},
    clientInfo: CLIENT,
  })
  if (hello.kind === 'result') {
    const { serverInfo, protocolVersion = PROTOCOL_2025 } = JSON.parse(hello.json) as {
      serverInfo?: ToolListing['server'] | null
      protocolVersion?: string
    }
    upstream.pass(Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}\n'))
    return { server: serverInfo ?? {}, protocol: protocolVersion, tools: await pages(request, {}) }
  }
  // A server of 2026-07-28 alone has no initialize: every request says what its client is.
  const envelope = {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': PROTOCOL_2026,
      'io.modelcontextprotocol/clientInfo': CLIENT,
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  }
  const found = await request('server/discover', envelope)
  const info = found.kind === 'result' ? (JSON.parse(found.json) as { serverInfo?: ToolListing['server'] }) : {}
  return { server: info.serverInfo ?? {}, protocol: PROTOCOL_2026, tools: await pages(request, envelope) }
}

async function pages(
  request: (method: string, params: object) => Promise<UpstreamAnswer>,
  params: object,
): Promise<readonly ListedTool[]> {
  const tools: ListedTool[] = []
  let cursor: string | undefined
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer = await request('tools/list', { ...params, ...(cursor === undefined ? {} : { cursor }) })
    if (answer.kind === 'error') {
      const { code, message } = JSON.parse(answer.json) as { code?: number; message?: string }
      if (code === METHOD_NOT_FOUND) return []
      throw new Error(`tools/list: ${message ?? String(code)}`)
    }
    const { tools: listed, nextCursor } = JSON.parse(answer.json) as { tools?: unknown; nextCursor?: string }
    if (!Array.isArray(listed)) throw new Error('tools/list was answered without tools')
    tools.push(...(listed as ListedTool[]).filter((tool) => typeof tool?.name === 'string'))
    if (nextCursor === undefined || nextCursor === null) return tools
    cursor = nextCursor
  }
  throw new Error(`tools/list has more than ${MOST_PAGES} pages`)
}

const refuse = (upstream: Upstream, id: string): void =>
  upstream.pass(
    Buffer.from(`{"jsonrpc":"2.0","id":${id},"error":{"code":${METHOD_NOT_FOUND},"message":"Method not found"}}\n`),
  )

function notListed(command: string, error: unknown): OnefoldError {
  const code = (error as { code?: unknown }).code
  const why =
    code === 'ENOENT'
      ? 'there is no such command'
      : code === 'EACCES'
        ? 'it is not executable'
        : error instanceof UpstreamDied
          ? 'it ended before it had listed its tools; what it says is above'
          : error instanceof DOMException && error.name === 'TimeoutError'
            ? 'it did not answer in time'
            : error instanceof Error
              ? error.message
              : String(error)
  return new OnefoldError('INPUT_INVALID', `Cannot list the tools of ${command}: ${why}. No tool was called.`, {
    cause: error,
  })
}
