import { decide, type Write } from '../../src/engine/index.ts'

interface ClaimOptions {
  /** @default 't' */
  readonly tenant?: string
  /** @default 60_000 */
  readonly leaseMs?: number
  /** Whether the marker comes with the claim (T1'). @default true */
  readonly mark?: boolean
}

/** The write of a first call's claim, for a store without an engine; `name` names its owner, its attempt and the write. */
export function claimOf(key: string, name: string, options: ClaimOptions = {}): Write {
  const { tenant = 't', leaseMs = 60_000, mark = true } = options
  const descriptor = {
    tenant,
    tool: 'x',
    major: 1,
    recovery: 'manual',
    fingerprint: 'f',
    occurrence: 1,
    run: undefined,
    session: undefined,
    call: undefined,
    parent: undefined,
    retentionMs: 0,
    retryHorizonMs: 0,
    amount: undefined,
    unanchored: false,
    checked: false,
  } as const
  const command = { type: 'claim', who: name, nonce: name, leaseMs, descriptor, input: '{}', mark } as const
  const decision = decide(key, undefined, command, 0)
  if (!decision.ok || decision.draft === undefined) throw new Error('a claim of nothing is refused')
  return { key, tenant, expect: 0, draft: { ...decision.draft, writeId: name }, event: decision.event }
}
