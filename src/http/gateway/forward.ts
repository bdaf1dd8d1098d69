import type { ToolContext } from '../../contract/index.ts'
import { readCallerKey, type DeclaredWrite, type FrozenRequest, type WritePlan } from '../exchange/index.ts'

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
  declared.key !== 'derived' && callerKey !== undefined && keyHeader(declared) === 'idempotency-key'

/** The caller's key where the service got that one; undefined where it got the operation's own. */
export function sentKey(declared: DeclaredWrite, { headers }: FrozenRequest): string | undefined {
  const callerKey = declared.key === 'derived' ? undefined : readCallerKey(headers['idempotency-key'], false)
  return passesKey(declared, callerKey) ? callerKey : undefined
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
