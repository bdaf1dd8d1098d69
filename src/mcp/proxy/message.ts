import { isUtf8 } from 'node:buffer'
import type { UpstreamAnswer } from './upstream.ts'
import { duplicateOf, memberOf, membersAt, skipSpace, type Member, type Span } from './spans.ts'

/** A `tools/call` request, with the places of its parts in the text. */
export interface ToolCall {
  readonly kind: 'call'
  readonly text: string
  readonly id: Span
  readonly tool: string
  readonly params: Span
  readonly arguments: Span | undefined
  readonly meta: Span | undefined
  /** SEP-3182's `params.idempotencyKey`. */
  readonly idempotencyKey: Span | undefined
  /** What the caller answers to a question of the server (MCP 2026-07-28). */
  readonly inputResponses: Span | undefined
  readonly requestState: Span | undefined
}

/** What a line from the client is. */
export type ClientMessage =
  | ToolCall
  /** `notifications/cancelled`; `requestId` is the id's JSON text. */
  | { readonly kind: 'cancel'; readonly requestId: string | undefined }
  /** Anything else that may pass: `id` is set for requests, `method` for requests and notifications. */
  | { readonly kind: 'other'; readonly method: string | undefined; readonly id: string | undefined }
  | {
      readonly kind: 'refused'
      readonly id: string
      readonly code: number
      readonly message: string
      readonly path?: string
    }

/** JSON-RPC 2.0 section 5.1. */
const PARSE_ERROR = -32700
const INVALID_REQUEST = -32600
const INVALID_PARAMS = -32602

const refused = (code: number, message: string, id = 'null', path?: string): ClientMessage => ({
  kind: 'refused',
  id,
  code,
  message,
  ...(path === undefined ? {} : { path }),
})

/**
 * Reads a line of the client. What two readers could understand differently (a name that stands twice, a batch, an id
 * that is no id) is refused, since one of them is this proxy and the other is the server that acts.
 */
export function readClientLine(bytes: Buffer): ClientMessage {
  if (!isUtf8(bytes)) return refused(PARSE_ERROR, 'Parse error: the line is not UTF-8. Nothing was done.')
  const text = bytes.toString('utf8')
  if (!isJson(text)) return refused(PARSE_ERROR, 'Parse error: the line is not JSON. Nothing was done.')
  const at = skipSpace(text, 0)
  const members = membersAt(text, at)
  if (members === undefined) {
    const what = text[at] === '[' ? 'a batch (MCP has none since 2025-06-18)' : 'no object'
    return refused(INVALID_REQUEST, `Invalid request: the message is ${what}. Nothing was done.`)
  }
  const twice = duplicateOf(members)
  if (twice !== undefined) {
    return refused(INVALID_REQUEST, `Invalid request: ${JSON.stringify(twice)} stands twice. Nothing was done.`)
  }
  const id = memberOf(members, 'id')
  const idText = id === undefined ? undefined : text.slice(id.start, id.end)
  if (idText?.startsWith('{') === true || idText?.startsWith('[') === true) {
    return refused(INVALID_REQUEST, 'Invalid request: an id is text or a number. Nothing was done.')
  }
  const method = memberOf(members, 'method')
  if (method === undefined) return { kind: 'other', method: undefined, id: undefined }
  const name = stringAt(text, method)
  if (name === undefined)
    return refused(INVALID_REQUEST, 'Invalid request: method is no text. Nothing was done.', idText)
  const params = memberOf(members, 'params')
  if (name === 'notifications/cancelled') return { kind: 'cancel', requestId: requestIdOf(text, params) }
  if (name !== 'tools/call') return { kind: 'other', method: name, id: idText }
  if (id === undefined || idText === undefined) {
    return refused(INVALID_REQUEST, 'Invalid request: tools/call without an id cannot be answered. Nothing was done.')
  }
  return readCall(text, id, idText, params)
}

function readCall(text: string, id: Span, idText: string, params: Span | undefined): ClientMessage {
  const members = params === undefined ? undefined : membersAt(text, params.start)
  if (params === undefined || members === undefined) {
    return refused(INVALID_PARAMS, 'Invalid params: tools/call needs an object. No effect started.', idText, '$.params')
  }
  const twice = duplicateOf(members)
  if (twice !== undefined) {
    return refused(
      INVALID_PARAMS,
      `Invalid params: ${JSON.stringify(twice)} stands twice. No effect started.`,
      idText,
      `$.params.${twice}`,
    )
  }
  const named = memberOf(members, 'name')
  const tool = named === undefined ? undefined : stringAt(text, named)
  if (tool === undefined) {
    return refused(INVALID_PARAMS, 'Invalid params: name is no text. No effect started.', idText, '$.params.name')
  }
  return {
    kind: 'call',
    text,
    id,
    tool,
    params,
    arguments: memberOf(members, 'arguments'),
    meta: memberOf(members, '_meta'),
    idempotencyKey: memberOf(members, 'idempotencyKey'),
    inputResponses: memberOf(members, 'inputResponses'),
    requestState: memberOf(members, 'requestState'),
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The text that a JSON string at this place means; undefined for another kind of value. */
export function stringAt(text: string, span: Span): string | undefined {
  return text[span.start] === '"' ? (JSON.parse(text.slice(span.start, span.end)) as string) : undefined
}

function requestIdOf(text: string, params: Member | undefined): string | undefined {
  const members = params === undefined ? undefined : membersAt(text, params.start)
  const id = members === undefined ? undefined : memberOf(members, 'requestId')
  return id === undefined ? undefined : text.slice(id.start, id.end)
}

/** What a line of the server is, as far as the proxy needs to know: whose answer it is, if it is one. */
export interface ServerMessage {
  /** JSON text of the id; undefined for notifications and for what is no JSON-RPC at all. */
  readonly id: string | undefined
  /** True for a request or a notification of the server. */
  readonly asks: boolean
  /** Of a request or a notification. */
  readonly method: string | undefined
  readonly result: string | undefined
  readonly error: string | undefined
}

/**
 * What an answer says: a result is an object, and an error of null beside it is none. Undefined where it says nothing,
 * or something that no result can be.
 */
export function saidBy({ result, error }: ServerMessage): UpstreamAnswer | undefined {
  if (error !== undefined && error !== 'null') return { kind: 'error', json: error }
  return result?.startsWith('{') === true ? { kind: 'result', json: result } : undefined
}

/** Undefined for a line that is not a JSON object. */
export function readServerLine(text: string): ServerMessage | undefined {
  if (!isJson(text)) return undefined
  const members = membersAt(text, skipSpace(text, 0))
  if (members === undefined) return undefined
  const method = memberOf(members, 'method')
  const part = (name: string): string | undefined => {
    const member = memberOf(members, name)
    return member === undefined ? undefined : text.slice(member.start, member.end)
  }
  return {
    id: part('id'),
    asks: method !== undefined,
    method: method === undefined ? undefined : stringAt(text, method),
    result: part('result'),
    error: part('error'),
  }
}
