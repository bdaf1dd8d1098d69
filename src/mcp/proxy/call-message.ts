import { AnsweredError, Question } from '../../engine/index.ts'
import { COMPLETE, isErrorResult, isQuestion } from './answers.ts'
import type { KeyPlace } from './declared.ts'
import type { ToolCall } from './message.ts'
import { skipSpace } from './spans.ts'
import { applyEdits, setMember, type Edit } from './splice.ts'
import type { UpstreamAnswer } from './upstream.ts'

/** The `_meta` name of the key, in requests to us and, with `key: _meta`, in ours to the server. */
export const KEY_META = 'io.onefold/idempotency-key'

/** A tool's result as the ledger keeps it: its JSON text, so that a replay is the same to the last digit. */
export interface StoredResult {
  readonly mcpResult: string
}

export const resultOf = (json: string): StoredResult => ({ mcpResult: json })

/** The JSON text of a recorded value; also of one that a person gave when settling a doubt. */
export function textOfStored(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    const { mcpResult, content } = value as { mcpResult?: unknown; content?: unknown }
    if (typeof mcpResult === 'string') return mcpResult
    if (Array.isArray(content)) return JSON.stringify(value)
  }
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'done')
  return JSON.stringify({ content: [{ type: 'text', text }], resultType: COMPLETE })
}

/** Where and what the downstream key is. */
export interface PlacedKey {
  readonly place: KeyPlace
  readonly key: string
}

/** The client's own message under another id, with the key in its place, and every other byte as it was. */
export function forwarded(call: ToolCall, id: string, placed: PlacedKey | undefined): string {
  const edits: Edit[] = [{ ...call.id, with: id }]
  if (placed !== undefined) edits.push(keyEdit(call, placed))
  // A line is one message: white space between tokens may hold newlines only inside the client's own line end.
  return applyEdits(call.text, edits).trimEnd()
}

function keyEdit({ text, params, arguments: given, meta }: ToolCall, { place, key }: PlacedKey): Edit {
  const json = JSON.stringify(key)
  if (place.in === 'arguments') {
    if (given !== undefined) return setMember(text, given.start, place.path, json)
    return setMember(text, params.start, ['arguments', ...place.path], json)
  }
  return meta === undefined
    ? setMember(text, params.start, ['_meta', KEY_META], json)
    : setMember(text, meta.start, [KEY_META], json)
}

/** A call of the proxy's own: a probe, or a re-send of frozen arguments. */
export function callMessage(
  id: string,
  tool: string,
  argumentsJson: string,
  placed?: PlacedKey,
  envelope?: string,
): string {
  let given = argumentsJson
  const meta: string[] = envelope === undefined ? [] : [envelope]
  if (placed !== undefined) {
    const json = JSON.stringify(placed.key)
    if (placed.place.in === '_meta') meta.push(`${JSON.stringify(KEY_META)}:${json}`)
    else given = applyEdits(given, [setMember(given, skipSpace(given, 0), placed.place.path, json)])
  }
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":${JSON.stringify(tool)},"arguments":${given}${meta.length === 0 ? '' : `,"_meta":{${meta.join(',')}}`}}}`
}

/**
 * The result to record; a question of the server (MCP 2026-07-28, multi round-trip requests) is none.
 * @throws AnsweredError when the server answered an error
 */
export function valueOf(answer: UpstreamAnswer, tool: string): StoredResult | Question {
  if (answer.kind === 'error') throw new AnsweredError(`${tool} answered a protocol error`, answer)
  if (isErrorResult(answer.json)) throw new AnsweredError(`${tool} answered an error`, answer)
  return isQuestion(answer.json) ? new Question(resultOf(answer.json)) : resultOf(answer.json)
}
