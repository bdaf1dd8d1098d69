import type { IncomingMessage } from 'node:http'
import type { ToolContext } from '../../contract/index.ts'
import { isHopByHop, namedByConnection, type FrozenRequest, type WritePlan } from '../exchange/index.ts'

/** What the service is told about where a request came from. */
export interface ForwardOptions {
  /** `Host` towards the service: its own name, or the one that the client used. */
  readonly host: string
  readonly preserveHost: boolean
}

/** A client's own headers towards the service: all that are for it, the key and the run in their place. */
export function forwardedHeaders(
  incoming: IncomingMessage,
  options: ForwardOptions,
  ours: readonly (readonly [name: string, value: string])[],
): string[] {
  const { rawHeaders, headers } = incoming
  const named = namedByConnection(headers.connection)
  const replaced = ours.map(([name]) => name)
  const out: string[] = ['host', options.preserveHost ? (headers.host ?? options.host) : options.host]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase()
    if (isHopByHop(name) || DROPPED.has(name) || named.includes(name) || replaced.includes(name)) continue
    out.push(rawHeaders[at] as string, rawHeaders[at + 1] as string)
  }
  for (const [name, value] of ours) out.push(name, value)
  const from = incoming.socket.remoteAddress ?? ''
  const before = headers['x-forwarded-for']
  out.push('x-forwarded-for', before === undefined ? from : `${String(before)}, ${from}`)
  if (headers['x-forwarded-host'] === undefined && headers.host !== undefined)
    out.push('x-forwarded-host', headers.host)
  if (headers['x-forwarded-proto'] === undefined) out.push('x-forwarded-proto', 'http')
  return out
}

/** Told anew, or answered by us. */
const DROPPED = new Set(['host', 'content-length', 'expect', 'x-forwarded-for'])

/**
 * The key and the run that go to the service. A caller's key that the route listens to goes on as it was sent, since it
 * may be signed; else the operation's own key is sent, the same on every attempt.
 */
export function operationHeaders(
  plan: WritePlan,
  callerKey: string | undefined,
  context: Pick<ToolContext, 'downstreamKey' | 'run'>,
): readonly (readonly [name: string, value: string])[] {
  const { recovery } = plan.declared
  const header = recovery.class === 'keyed' ? (recovery.header ?? 'idempotency-key') : 'idempotency-key'
  const listens = plan.declared.key !== 'derived' && callerKey !== undefined
  return [
    ...(listens && header === 'idempotency-key' ? [] : [[header, context.downstreamKey()] as const]),
    ...(context.run === undefined ? [] : [['onefold-run', context.run.id] as const]),
  ]
}

/** The headers of a frozen request that is sent again. `secrets` are the principal's, as this process last saw them. */
export function frozenHeaders(
  frozen: FrozenRequest,
  plan: WritePlan,
  context: Pick<ToolContext, 'downstreamKey' | 'run'>,
  secrets: readonly string[],
  host: string,
): string[] {
  const ours = operationHeaders(plan, frozen.headers['idempotency-key'], context)
  const replaced = ours.map(([name]) => name)
  const out: string[] = ['host', host]
  for (const [name, value] of Object.entries(frozen.headers)) if (!replaced.includes(name)) out.push(name, value)
  for (const [name, value] of ours) out.push(name, value)
  return [...out, ...secrets]
}
