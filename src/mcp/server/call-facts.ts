import { OnefoldError } from '../../error/index.ts'
import { credentialsOf, principalNamed } from '../../http/exchange/index.ts'
import { canonicalize, fingerprintText } from '../../key/index.ts'
import { KEY_META } from '../proxy/call-message.ts'
import { invalid, OCCURRENCE_META, RUN_META, SESSION_META, ucpKey } from '../proxy/call-meta.ts'

/**
 * What a handler is given beside its arguments, as far as it is looked at: `extra` of @modelcontextprotocol/sdk 1,
 * `ctx` of @modelcontextprotocol/server 2.
 */
export interface HandlerExtra {
  readonly signal?: AbortSignal
  readonly sessionId?: string | undefined
  readonly requestId?: string | number
  readonly _meta?: Readonly<Record<string, unknown>> | undefined
  readonly requestInfo?: { readonly headers?: Readonly<Record<string, unknown>>; readonly url?: URL } | undefined
  readonly authInfo?: AuthInfo | undefined
  readonly mcpReq?: {
    readonly id?: string | number
    readonly signal?: AbortSignal
    readonly _meta?: Readonly<Record<string, unknown>> | undefined
    readonly inputResponses?: Readonly<Record<string, unknown>> | undefined
    readonly requestState?: () => unknown
  }
  readonly http?: {
    readonly req?: { readonly headers: Headers; readonly url: string } | undefined
    readonly authInfo?: AuthInfo | undefined
  }
}

/** What the SDKs' bearer authentication knows of a caller. */
export interface AuthInfo {
  readonly token: string
  readonly clientId: string
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

/** One call, as a principal rule sees it. */
export interface CallFacts {
  readonly authInfo: AuthInfo | undefined
  readonly sessionId: string | undefined
  readonly header: (name: string) => string | undefined
  /** The query of the request, with its question mark, or empty: keys often stand there. */
  readonly search: string
}

/** What a caller says about its call beside the arguments. */
export interface ServerCallMeta {
  readonly idempotencyKey: string | undefined
  readonly runId: string | undefined
  readonly sessionId: string | undefined
  readonly occurrence: number | undefined
  /** Which round of questions this is (T19); undefined for the first. */
  readonly round: string | undefined
}

export const signalOf = (extra: HandlerExtra): AbortSignal | undefined => extra.mcpReq?.signal ?? extra.signal
export const idOf = (extra: HandlerExtra): string => String(extra.mcpReq?.id ?? extra.requestId ?? '')
/** True for a call over HTTP: there, only a session says that two messages come from one client. */
export const isHttp = ({ http, requestInfo }: HandlerExtra): boolean => http !== undefined || requestInfo !== undefined

export function factsOf(extra: HandlerExtra): CallFacts {
  return {
    authInfo: extra.http?.authInfo ?? extra.authInfo,
    sessionId: extra.sessionId,
    header: (name) => headerOf(extra, name),
    search: searchOf(extra),
  }
}

function searchOf({ http, requestInfo }: HandlerExtra): string {
  const given = http?.req?.url ?? requestInfo?.url
  if (given === undefined) return ''
  const { searchParams } = new URL(given)
  // The older transport (2024-11-05, HTTP with SSE) names its connection there, which a retry does not come back on.
  searchParams.delete('sessionId')
  return searchParams.size === 0 ? '' : `?${String(searchParams)}`
}

function headerOf({ http, requestInfo }: HandlerExtra, name: string): string | undefined {
  const found = http?.req?.headers.get(name) ?? requestInfo?.headers?.[name]
  return typeof found === 'string' && found !== '' ? found : undefined
}

/**
 * Whose operations a call's are: of whom the rule names, else of the subject that authorization names, else of the token, else of the credentials in
 * the request's headers and query. What is renewed is then somebody else, so give `principal` where no `sub` is named.
 */
export function principalOf(facts: CallFacts, rule: ((call: CallFacts) => string | undefined) | undefined): string {
  const name = rule?.(facts)
  if (name !== undefined) return principalNamed(name)
  const proof = proofOf(facts)
  return proof === undefined ? 'everybody' : `p:${fingerprintText(canonicalize(proof)).slice(0, 22)}`
}

function proofOf({ authInfo, header, search }: CallFacts): readonly string[] | undefined {
  if (authInfo === undefined) {
    const credentials = credentialsOf(header)
    return credentials === undefined && search === '' ? undefined : ['request', credentials ?? '', search]
  }
  const subject = authInfo.extra?.['sub']
  return typeof subject === 'string' ? ['sub', authInfo.clientId, subject] : ['token', authInfo.token]
}

const LONGEST_ID = 255

/**
 * Reads `_meta`, SEP-3182's `params.idempotencyKey` where the SDK lets it through, UCP's
 * `arguments.meta["idempotency-key"]`, and over HTTP `Idempotency-Key`, `Onefold-Run`, `Onefold-Session` and
 * `Onefold-Occurrence`. What stands in the message goes before a header, which may be one for a whole connection.
 * @throws OnefoldError INPUT_INVALID, KEY_INVALID (two keys in the message that differ)
 */
export function metaOf(extra: HandlerExtra, input: unknown, rawKey: unknown): ServerCallMeta {
  const meta = extra.mcpReq?._meta ?? extra._meta ?? {}
  const text = (name: string): string | undefined => {
    const value = meta[name]
    if (value === undefined || typeof value === 'string') return value
    throw invalid(`$.params._meta["${name}"]`, 'must be text')
  }
  if (rawKey !== undefined && typeof rawKey !== 'string') throw invalid('$.params.idempotencyKey', 'must be text')
  const keys = [text(KEY_META), rawKey, ucpKey(input)].filter((key) => key !== undefined)
  if (new Set(keys).size > 1) {
    throw new OnefoldError(
      'KEY_INVALID',
      'The call brings two idempotency keys that differ. No effect started; send one.',
    )
  }
  const occurrence = meta[OCCURRENCE_META] ?? headerOf(extra, 'onefold-occurrence')
  return {
    idempotencyKey: keys[0] ?? headerOf(extra, 'idempotency-key'),
    runId: idAt(text(RUN_META) ?? headerOf(extra, 'onefold-run'), RUN_META),
    sessionId: idAt(text(SESSION_META) ?? headerOf(extra, 'onefold-session'), SESSION_META),
    occurrence: occurrence === undefined ? undefined : wholeOf(Number(occurrence)),
    round: roundOf(extra),
  }
}

function idAt(value: string | undefined, name: string): string | undefined {
  if (value === undefined || (value.length > 0 && value.length <= LONGEST_ID)) return value
  throw invalid(`$.params._meta["${name}"]`, `must have 1 to ${LONGEST_ID} characters`)
}

function wholeOf(value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw invalid(`$.params._meta["${OCCURRENCE_META}"]`, 'must be a whole number from 1')
}

/** A re-issued round has the same answers and the same state, under another JSON-RPC id (MCP 2026-07-28, MRTR). */
function roundOf({ mcpReq }: HandlerExtra): string | undefined {
  const responses = mcpReq?.inputResponses
  const state = mcpReq?.requestState?.()
  if (responses === undefined && state === undefined) return undefined
  return fingerprintText(canonicalize([responses ?? null, state ?? null]))
}
