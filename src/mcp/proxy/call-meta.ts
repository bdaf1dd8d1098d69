import { OnefoldError } from '../../error/index.ts'
import { KEY_META } from './call-message.ts'
import { stringAt, type ToolCall } from './message.ts'
import { duplicateOf, memberOf, membersAt, type Span } from './spans.ts'

/** What a caller says about its call beside the arguments. */
export interface CallMeta {
  readonly idempotencyKey: string | undefined
  readonly runId: string | undefined
  readonly sessionId: string | undefined
  readonly occurrence: number | undefined
}

const RUN_META = 'io.onefold/run-id'
const SESSION_META = 'io.onefold/session-id'
const OCCURRENCE_META = 'io.onefold/occurrence'
const LONGEST_ID = 255

/**
 * Reads `_meta`, SEP-3182's `params.idempotencyKey` and UCP's `arguments.meta["idempotency-key"]`.
 * @throws OnefoldError INPUT_INVALID, KEY_INVALID (two keys that differ)
 */
export function readCallMeta(call: ToolCall, input: unknown): CallMeta {
  const members = call.meta === undefined ? [] : (membersAt(call.text, call.meta.start) ?? [])
  const twice = duplicateOf(members)
  if (twice !== undefined) throw invalid(`$.params._meta[${JSON.stringify(twice)}]`, 'the member name occurs twice')
  const text = (name: string): string | undefined => textAt(call, memberOf(members, name), `$.params._meta["${name}"]`)
  const keys = [text(KEY_META), textAt(call, call.idempotencyKey, '$.params.idempotencyKey'), ucpKey(input)].filter(
    (key) => key !== undefined,
  )
  if (new Set(keys).size > 1) {
    throw new OnefoldError(
      'KEY_INVALID',
      'The call brings two idempotency keys that differ. No effect started; send one.',
    )
  }
  const occurrence = memberOf(members, OCCURRENCE_META)
  return {
    idempotencyKey: keys[0],
    runId: idAt(text(RUN_META), RUN_META),
    sessionId: idAt(text(SESSION_META), SESSION_META),
    occurrence: occurrence === undefined ? undefined : wholeAt(call, occurrence),
  }
}

function textAt(call: ToolCall, span: Span | undefined, path: string): string | undefined {
  if (span === undefined) return undefined
  const value = stringAt(call.text, span)
  if (value === undefined) throw invalid(path, 'must be text')
  return value
}

function idAt(value: string | undefined, name: string): string | undefined {
  if (value === undefined || (value.length > 0 && value.length <= LONGEST_ID)) return value
  throw invalid(`$.params._meta["${name}"]`, `must have 1 to ${LONGEST_ID} characters`)
}

function wholeAt(call: ToolCall, span: Span): number {
  const value: unknown = JSON.parse(call.text.slice(span.start, span.end))
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
  throw invalid(`$.params._meta["${OCCURRENCE_META}"]`, 'must be a whole number from 1')
}

function ucpKey(input: unknown): string | undefined {
  const meta = typeof input === 'object' && input !== null ? (input as { meta?: unknown }).meta : undefined
  const key =
    typeof meta === 'object' && meta !== null ? (meta as Record<string, unknown>)['idempotency-key'] : undefined
  return typeof key === 'string' ? key : undefined
}

/** What a refused input is told; `path` is into the JSON-RPC message. */
export const invalid = (path: string, reason: string): OnefoldError =>
  new OnefoldError('INPUT_INVALID', `Input refused at ${path}: ${reason}. No effect started; correct the input.`, {
    details: { path, reason },
  })
