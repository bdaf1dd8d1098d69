import { randomBytes } from 'node:crypto'
import { decide, type Command, type Descriptor, type OperationRecord, type Write } from '../src/engine/index.ts'
import { keyFromBytes } from '../src/key/index.ts'

/** What an ordinary effect looks like: about 100 bytes of input, 150 of result. */
export const INPUT = `{"chargeId":"ch_1","note":"${'n'.repeat(70)}"}`
export const OUTCOME = {
  kind: 'value',
  text: `{"id":"re_1","note":"${'x'.repeat(130)}"}`,
  sha256: 'a'.repeat(64),
  size: 152,
} as const
export const TENANT = 'default'
export const WHO = 'host.example/4e9d2f4a-5d4e-4c5e-9a6b-1f0f3c2b1a00/12345/678901'

export const descriptor: Descriptor = {
  tenant: TENANT,
  tool: 'refund_return',
  major: 1,
  recovery: 'keyed',
  fingerprint: 'f'.repeat(43),
  occurrence: 1,
  run: undefined,
  session: undefined,
  call: 'call_1',
  parent: undefined,
  retentionMs: 86_400_000,
  retryHorizonMs: 86_400_000,
  amount: undefined,
  unanchored: false,
  checked: true,
}

export const freshKey = (): string => keyFromBytes(randomBytes(32))

let names = 0
const freshName = (): string => `${(names += 1)}`.padStart(16, 'n')

function writeOf(key: string, record: OperationRecord | undefined, command: Command, now: number): Write {
  const decision = decide(key, record, command, now)
  if (!decision.ok || decision.draft === undefined) throw new Error('the bench asks for what the machine refuses')
  const draft = { ...decision.draft, writeId: freshName() }
  return { key, tenant: TENANT, expect: record?.revision ?? 0, draft, event: decision.event }
}

/** T1': claim and marker in one write. */
export function claimOf(key: string): Write {
  return writeOf(
    key,
    undefined,
    { type: 'claim', who: WHO, nonce: freshName(), leaseMs: 30_000, descriptor, input: INPUT, mark: true },
    0,
  )
}

/** T5. */
export function commitOf(record: OperationRecord, now: number): Write {
  const { fence, nonce } = record
  return writeOf(record.key, record, { type: 'commit', who: WHO, fence, nonce, outcome: OUTCOME }, now)
}
