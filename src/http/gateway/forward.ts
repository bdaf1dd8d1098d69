import type { ToolContext } from '../../contract/index.ts'
import { readCallerKey, type DeclaredWrite, type FrozenRequest, type WritePlan } from '../exchange/index.ts'
import type { ForwardOptions } from '../edge/index.ts'

/**
 * The key and the run that go to the service. A caller's key that the route listens to goes on as it was sent, since it
 * may be signed; else the operation's own key is sent, the same on every attempt.
 */
export function operationHeaders(
  plan: WritePlan,
  callerKey: string | undefined,
  context: Pick<ToolContext, 'downstreamKey' | 'run'>,
): readonly (readonly [name: string, value: string])[] {
  return [
    ...(passesKey(plan.declared, callerKey) ? [] : [[keyHeader(plan.declared), context.downstreamKey()] as const]),
    ...(context.run === undefined ? [] : [['onefold-run', context.run.id] as const]),
  ]
}

const keyHeader = ({ recovery }: DeclaredWrite): string =>
  recovery.class === 'keyed' ? (recovery.header ?? 'idempotency-key') : 'idempotency-key'

const passesKey = (declared: DeclaredWrite, callerKey: string | undefined): boolean =>
  callerKey !== undefined && keyHeader(declared) === 'idempotency-key'

/** The caller's key where the service got that one; undefined where it got the operation's own. */
export function sentKey(declared: DeclaredWrite, { headers }: FrozenRequest): string | undefined {
  const callerKey = readCallerKey(declared.key, headers['idempotency-key'], false)
  return passesKey(declared, callerKey) ? callerKey : undefined
}

/** The headers of a frozen request that is sent again. `secrets` are the principal's, as this process last saw them. */
export function frozenHeaders(
  frozen: FrozenRequest,
  plan: WritePlan,
  context: Pick<ToolContext, 'downstreamKey' | 'run'>,
  secrets: readonly string[],
  forward: ForwardOptions,
): string[] {
  const callerKey = readCallerKey(plan.declared.key, frozen.headers['idempotency-key'], false)
  const ours = operationHeaders(plan, callerKey, context)
  const replaced = ours.map(([name]) => name)
  return [...addressed(frozen, secrets, forward, (name) => !replaced.includes(name)), ...ours.flat()]
}

/** What describes the content or the action of a write, and nothing about a question that is asked after it. */
const OF_THE_WRITE =
  /^(?:accept$|content-|digest$|if-|prefer$|range$|repr-digest$|want-|idempotency-key$|x-(?:http-)?method)/

/** The headers of a question about a frozen request: asked as the same caller, in the same account. */
export const askingHeaders = (
  frozen: FrozenRequest,
  secrets: readonly string[],
  forward: ForwardOptions,
): readonly string[] => addressed(frozen, secrets, forward, (name) => !OF_THE_WRITE.test(name))

/** Host, headers and credentials as the first send had them, without those that have no place here. */
function addressed(
  { headers }: FrozenRequest,
  secrets: readonly string[],
  forward: ForwardOptions,
  fits: (name: string) => boolean,
): string[] {
  const { host, ...rest } = headers
  const out: string[] = ['host', forward.preserveHost ? (host ?? forward.host) : forward.host]
  for (const [name, value] of Object.entries(rest)) if (fits(name)) out.push(name, value)
  if (host !== undefined) {
    if (rest['x-forwarded-host'] === undefined) out.push('x-forwarded-host', host)
    if (rest['x-forwarded-proto'] === undefined) out.push('x-forwarded-proto', 'http')
  }
  for (let at = 0; at < secrets.length; at += 2) {
    const name = (secrets[at] as string).toLowerCase()
    if (fits(name) && !Object.hasOwn(rest, name)) out.push(name, secrets[at + 1] as string)
  }
  return out
}
