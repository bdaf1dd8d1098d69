import { OnefoldError, isOnefoldError } from '../../error/index.ts'
import { canonicalize, fingerprintText, parseCallerKey, parseJson } from '../../key/index.ts'
import { KEY_META } from './call-message.ts'
import { stringAt, type ToolCall } from './message.ts'
import { duplicateOf, memberOf, membersAt, type Span } from './spans.ts'

/** What a caller says about its call beside the arguments. */
export interface CallMeta {
  readonly idempotencyKey: string | undefined
  readonly runId: string | undefined
  readonly sessionId: string | undefined
  readonly occurrence: number | undefined
  /** Which round of questions the call is: equal for equal answers; undefined for the first. */
  readonly round: string | undefined
}

/** The same, as HTTP says it beside the message. */
export type HeaderMeta = Omit<CallMeta, 'round'>

const NO_HEADERS: HeaderMeta = {
  idempotencyKey: undefined,
  runId: undefined,
  sessionId: undefined,
  occurrence: undefined,
}

export const RUN_META = 'io.onefold/run-id'
export const SESSION_META = 'io.onefold/session-id'
export const OCCURRENCE_META = 'io.onefold/occurrence'
const LONGEST_ID = 255

/**
 * Reads `_meta`, SEP-3182's `params.idempotencyKey` and UCP's `arguments.meta["idempotency-key"]`.
 * @throws OnefoldError INPUT_INVALID, KEY_INVALID (two keys that differ)
 */
export function readCallMeta(call: ToolCall, input: unknown, headers: HeaderMeta = NO_HEADERS): CallMeta {
  const members = call.meta === undefined ? [] : (membersAt(call.text, call.meta.start) ?? [])
  const twice = duplicateOf(members)
  if (twice !== undefined) throw invalid(`$.params._meta[${JSON.stringify(twice)}]`, 'the member name occurs twice')
  const text = (name: string): string | undefined => textAt(call, memberOf(members, name), `$.params._meta["${name}"]`)
  const keys = [
    text(KEY_META),
    textAt(call, call.idempotencyKey, '$.params.idempotencyKey'),
    ucpKey(input),
    headers.idempotencyKey,
  ]
    .filter((key) => key !== undefined)
    .map(parseCallerKey)
  if (new Set(keys).size > 1) {
    throw new OnefoldError(
      'KEY_INVALID',
      'The call brings two idempotency keys that differ. No effect started; send one.',
    )
  }
  const occurrence = memberOf(members, OCCURRENCE_META)
  return {
    idempotencyKey: keys[0],
    runId: idAt(text(RUN_META), RUN_META) ?? headers.runId,
    sessionId: idAt(text(SESSION_META), SESSION_META) ?? headers.sessionId,
    occurrence: occurrence === undefined ? headers.occurrence : wholeAt(call, occurrence),
    round: roundOf(call),
  }
}

/** The hash of what tells one round from another: the answers, and the state that they belong to. */
function roundOf({ text, inputResponses, requestState }: ToolCall): string | undefined {
  if (inputResponses === undefined && requestState === undefined) return undefined
  const part = (span: Span | undefined, path: string): unknown => {
    if (span === undefined) return null
    try {
      return parseJson(text.slice(span.start, span.end))
    } catch (error) {
      if (!isOnefoldError(error)) throw error
      const { reason } = error.details
      throw invalid(path, typeof reason === 'string' ? reason : 'it has no canonical form')
    }
  }
  return fingerprintText(
    canonicalize([part(inputResponses, '$.params.inputResponses'), part(requestState, '$.params.requestState')], {
      maxBytes: ROUND_BYTES,
    }),
  )
}

const ROUND_BYTES = 4 * 1024 * 1024

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

export function ucpKey(input: unknown): string | undefined {
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
