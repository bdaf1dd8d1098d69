import { OnefoldError } from '../../error/index.ts'
import type { Answer } from '../../http/exchange/index.ts'
import type { CallMeta, HeaderMeta } from './call-meta.ts'
import type { Delivery } from './delivery.ts'
import type { Upstream } from './upstream.ts'

/** What a call is answered with: a JSON-RPC line, or the server's own HTTP answer where there was no line. */
export type Reply = { readonly line: string } | { readonly http: Answer }

/** Who calls, and how its message and its answer travel. */
export interface Caller {
  /** Sends the call's own message to the server. */
  readonly send: Upstream['request']
  readonly answer: (reply: Reply, flushed?: () => void) => void
  /** Told that its client has taken the call back: there will be no answer. */
  readonly takenBack?: () => void
  readonly delivery: Delivery
  /** Who it is, where one proxy has many callers: what one did is never told to another. */
  readonly principal?: string | undefined
  readonly tenant?: string | undefined
  /** What HTTP says beside the message. */
  readonly headers?: HeaderMeta | undefined
}

/**
 * The text within which identities of a proxy with many callers are compared: the principal, and what the scope adds.
 * @throws OnefoldError INPUT_INVALID where the scope needs a name that the call does not bring
 */
export function isolationOf(principal: string, scope: 'tenant' | 'session' | 'run', meta: CallMeta): string {
  if (scope === 'tenant') return principal
  const within = scope === 'session' ? meta.sessionId : meta.runId
  if (within !== undefined) return `${principal}/${scope}:${within}`
  const name = scope === 'session' ? 'io.onefold/session-id' : 'io.onefold/run-id'
  throw new OnefoldError(
    'INPUT_INVALID',
    `This tool compares operations within a ${scope}, so the call needs _meta["${name}"]. No effect started.`,
    { details: { path: `$.params._meta["${name}"]`, reason: 'is missing' } },
  )
}
