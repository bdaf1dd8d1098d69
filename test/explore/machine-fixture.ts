import type { Command } from '../../src/engine/commands.ts'
import type { OperationRecord, State } from '../../src/engine/record.ts'

/** The instant at which the state machine's unit tests decide. */
export const NOW = 1_000_000

const DESCRIPTOR = {
  tenant: 'default',
  tool: 'refund',
  major: 1,
  recovery: 'keyed',
  fingerprint: 'old-fingerprint',
  occurrence: 1,
  run: undefined,
  session: undefined,
  call: undefined,
  parent: undefined,
  retentionMs: 5_000,
  retryHorizonMs: 3_000,
  amount: undefined,
  unanchored: false,
  checked: true,
} as const

export const OUTCOME = { kind: 'value', text: '"paid"', sha256: 'paid', size: 6 } as const
export const ERROR = { name: 'Refused', message: 'no funds' } as const

/** A record in `state`, owned by fence 7 and nonce `mine`, with one open send where the state has sent. */
export function recordIn(state: State, change: Partial<OperationRecord> = {}): OperationRecord {
  const sent = ['executing', 'awaiting-input', 'accepted', 'in-doubt', 'recovering', 'abandoned'].includes(state)
  return {
    ...DESCRIPTOR,
    key: 'of1_test',
    state,
    revision: 3,
    fence: 7,
    nonce: 'mine',
    writeId: '',
    owner: 'host/boot/1/1',
    generation: 2,
    attempts: 1,
    recoveries: 0,
    openSends: sent ? 1 : 0,
    leaseUntil: NOW + 10,
    firstSendAt: sent ? NOW - 100 : 0,
    doubtAt: state === 'in-doubt' || state === 'recovering' ? NOW - 100 : 0,
    createdAt: NOW - 500,
    updatedAt: NOW - 100,
    input: '{"order":1}',
    outcome: state === 'committed' ? OUTCOME : undefined,
    error: state === 'rejected' ? ERROR : undefined,
    reason: state === 'in-doubt' || state === 'recovering' ? 'timeout' : undefined,
    evidence: [],
    round: 0,
    children: [],
    delivered: false,
    closedBy: undefined,
    ...change,
  }
}

const MINE = { who: 'me', fence: 7, nonce: 'mine' } as const

/** Every command, as the owner (fence 7, nonce `mine`) would give it with all guards satisfied. */
export const COMMANDS = {
  claim: {
    type: 'claim',
    who: 'me',
    nonce: 'fresh',
    leaseMs: 30,
    descriptor: { ...DESCRIPTOR, fingerprint: 'new-fingerprint' },
    input: '{"order":2}',
    mark: false,
  },
  mark: { type: 'mark', ...MINE, leaseMs: 30, input: '{"order":2}' },
  withdraw: { type: 'withdraw', ...MINE },
  commit: { type: 'commit', ...MINE, outcome: OUTCOME },
  reject: { type: 'reject', ...MINE, error: ERROR },
  unsent: { type: 'unsent', ...MINE },
  doubt: { type: 'doubt', who: 'anyone', fence: 7, reason: 'reset', evidence: 'ECONNRESET' },
  lapse: { type: 'lapse', who: 'sweeper' },
  recover: { type: 'recover', who: 'me', nonce: 'fresh', leaseMs: 30, backoffMs: 100 },
  resend: { type: 'resend', ...MINE, leaseMs: 30, checked: true, window: { windowMs: 1_000, marginMs: 900 } },
  found: { type: 'found', ...MINE, outcome: OUTCOME },
  absent: { type: 'absent', ...MINE, waitedMs: 62, requiredMs: 62, ownerDead: false },
  'give-up': { type: 'give-up', ...MINE, reason: 'recovery-failed', evidence: 'probe timed out' },
  resolve: { type: 'resolve', who: 'ada', verdict: 'released', note: 'asked the bank', quarantineMs: 100 },
  'note-evidence': { type: 'note-evidence', who: 'me', what: 'a webhook' },
  ask: { type: 'ask', ...MINE },
  resume: { type: 'resume', ...MINE, leaseMs: 30 },
  accept: { type: 'accept', ...MINE, outcome: OUTCOME, leaseMs: 30 },
  verify: { type: 'verify', who: 'me', nonce: 'fresh', leaseMs: 30 },
  verified: { type: 'verified', ...MINE, happened: true },
  compensate: { type: 'compensate', who: 'me', nonce: 'fresh', leaseMs: 30 },
  compensated: { type: 'compensated', who: 'me' },
  heartbeat: { type: 'heartbeat', ...MINE, leaseMs: 30 },
  adopt: { type: 'adopt', ...MINE, ordinal: 0, child: 'of1_child' },
  deliver: { type: 'deliver', who: 'me' },
  expire: { type: 'expire', who: 'sweeper' },
  supersede: { type: 'supersede', who: 'me', by: 'of1_newer', descriptor: DESCRIPTOR },
  'give-back': { type: 'give-back', who: 'me', by: 'of1_newer' },
} as const satisfies { readonly [Type in Command['type']]: Command & { readonly type: Type } }

/** {@link COMMANDS} with some fields changed. */
export const give = <Type extends Command['type']>(
  type: Type,
  change: Partial<Command & { type: Type }> = {},
): Command => ({ ...COMMANDS[type], ...change }) as Command
