import { currentOperation, type SendPort } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { onefoldFetch } from '../../downstream/index.ts'
import { canonicalize, fingerprintText } from '../../key/index.ts'

export interface McpFetchOptions {
  /** What makes the requests. @default the global fetch */
  readonly fetch?: typeof fetch
}

/** Where an MCP server looks for the key in a request's `_meta`. */
const KEY_META = 'io.onefold/idempotency-key'

/** Calls of tools that were sent under an attempt. */
const sent = new WeakMap<SendPort, Set<string>>()

/**
 * The fetch for the transport of `createMCPClient`, whose own retries send `tools/call` again whatever the tool says of
 * itself: `createMCPClient({ transport: { type: 'http', url, fetch: mcpFetch() } })`. Inside a protected tool each send
 * of one call carries the operation's key, in `_meta` and in `Idempotency-Key`; where the contract is not `keyed`, the
 * call is sent once and its client's retries are refused, except after a 401.
 */
export function mcpFetch(options: McpFetchOptions = {}): typeof fetch {
  const counted = onefoldFetch(options)
  return async (input, init) => {
    const operation = currentOperation()
    const call = operation === undefined || operation.ended ? undefined : toolCallIn(init?.body)
    if (operation === undefined || call === undefined) return await counted(input, init)
    const { port } = operation
    const about = `${call.name}:${fingerprintText(canonicalize(call.arguments))}`
    // The next round of questions is the same call, under the same key, and yet no repeat of the round before (T19).
    const round = call.round === undefined ? about : `${about}:${fingerprintText(canonicalize(call.round))}`
    const before = sent.get(port) ?? new Set<string>()
    sent.set(port, before)
    if (port.recovery?.class !== 'keyed' && before.has(round)) throw refused(port.tool, call.name)
    before.add(round)
    const key = port.downstreamKey('mcp', about)
    const headers = new Headers(init?.headers)
    if (!headers.has('idempotency-key')) headers.set('idempotency-key', key)
    headers.delete('content-length')
    const response = await counted(input, { ...init, headers, body: JSON.stringify(call.withKey(key)) })
    // Asked for before a message is read (MCP, authorization): nothing has begun, and the call goes again with a new token.
    if (response.status === 401) before.delete(round)
    return response
  }
}

interface Params {
  readonly name?: unknown
  readonly arguments?: unknown
  readonly inputResponses?: unknown
  readonly requestState?: unknown
  readonly _meta?: object
}

interface ToolCall {
  readonly name: string
  readonly arguments: unknown
  /** What it answers to a server that asked (MCP 2026-07-28, `input_required`); undefined in the first round. */
  readonly round: unknown
  withKey(key: string): unknown
}

/** The `tools/call` in a request's body; undefined for every other message. */
function toolCallIn(body: unknown): ToolCall | undefined {
  if (typeof body !== 'string' || !body.includes('tools/call')) return undefined
  const message = JSON.parse(body) as {
    readonly method?: unknown
    readonly params?: Params
  }
  const { method, params } = message
  if (method !== 'tools/call' || typeof params?.name !== 'string') return undefined
  const { inputResponses, requestState } = params
  return {
    name: params.name,
    arguments: params.arguments ?? {},
    round: inputResponses === undefined && requestState === undefined ? undefined : { inputResponses, requestState },
    withKey: (key) => ({ ...message, params: { ...params, _meta: { [KEY_META]: key, ...params._meta } } }),
  }
}

const refused = (tool: string, name: string): OnefoldError =>
  new OnefoldError(
    'RETRY_BUDGET_EXHAUSTED',
    `${tool}: its MCP client wanted to send ${name} again, although an earlier send may have acted and no key tells the server that they are one. Nothing was sent now; what the earlier send did stands in the operation’s record. Declare keyed() if the server honours keys, or set maxRetries: 0.`,
    { effect: 'none', details: { tool, name } },
  )
