import { describe, expect, it } from 'vitest'
import { COMMANDS, ERROR, give, NOW, OUTCOME, recordIn } from '../../test/explore/machine-fixture.ts'
import type { Command } from './commands.ts'
import { decide } from './machine.ts'
import type { Draft, OperationRecord } from './record.ts'

type Expected = readonly [transition: string, to: string, draft?: Partial<Draft>, alarm?: string]
type Row = readonly [name: string, record: OperationRecord | undefined, command: Command, expected: Expected | string]

const amnesia = { at: NOW - 100, lossFrom: NOW - 900, why: 'sequence fell' }
const other = { nonce: 'theirs' }
const older = { fence: 6, nonce: 'theirs' }
const keyed = { windowMs: 1_000, marginMs: 900 }

/** protocol.md section 4, row by row: the guard satisfied, then each way of violating it. A text is a refusal. */
const ROWS: Readonly<Record<string, readonly Row[]>> = {
  'T0 amnesia': [
    [
      'absent under the mark',
      undefined,
      give('claim', { amnesia }),
      ['T0', 'in-doubt', { reason: 'amnesia', openSends: 0, leaseMs: 0, doubtAt: 'now', fence: 0 }],
    ],
    ['absent, minted after the mark', undefined, give('claim', { amnesia, beyondAmnesia: true }), ['T1', 'claimed']],
    [
      'released before the mark',
      recordIn('released'),
      give('claim', { amnesia }),
      ['T0', 'in-doubt', { reason: 'amnesia', fence: 8, nonce: 'fresh', generation: 2, openSends: 0 }],
    ],
    ['rejected before the mark', recordIn('rejected'), give('claim', { amnesia }), ['T0', 'in-doubt', { fence: 8 }]],
    [
      'claimed before the mark, lease over',
      recordIn('claimed', { leaseUntil: NOW }),
      give('claim', { amnesia }),
      ['T0', 'in-doubt', { fence: 8 }],
    ],
    ['claimed before the mark, live', recordIn('claimed'), give('claim', { amnesia }), 'lease'],
    [
      'released within a lease after the mark, maybe by an engine that had not heard of it',
      recordIn('released', { updatedAt: NOW - 99 }),
      give('claim', { amnesia }),
      ['T0', 'in-doubt', { fence: 8 }],
    ],
    [
      'released in the moment in which a lease from before the mark ends',
      recordIn('released', { updatedAt: NOW - 70 }),
      give('claim', { amnesia }),
      ['T0', 'in-doubt', { fence: 8 }],
    ],
    [
      'released more than a lease after the mark',
      recordIn('released', { updatedAt: NOW - 60 }),
      give('claim', { amnesia }),
      ['T18', 'claimed'],
    ],
    [
      'released before the mark, run minted after it',
      recordIn('released'),
      give('claim', { amnesia, beyondAmnesia: true }),
      ['T18', 'claimed'],
    ],
  ],
  'T1 first caller': [
    [
      'absent',
      undefined,
      give('claim'),
      [
        'T1',
        'claimed',
        {
          fence: 0,
          nonce: 'fresh',
          generation: 0,
          openSends: 0,
          attempts: 0,
          leaseMs: 30,
          firstSendAt: 0,
          createdAt: 'now',
        },
      ],
    ],
    ['someone was first', recordIn('executing'), give('claim'), 'state'],
  ],
  "T1' claim and marker in one write": [
    [
      'absent',
      undefined,
      give('claim', { mark: true }),
      ["T1'", 'executing', { fence: 0, openSends: 1, attempts: 1, firstSendAt: 'now', input: '{"order":2}' }],
    ],
    [
      'released',
      recordIn('released'),
      give('claim', { mark: true }),
      ["T1'", 'executing', { fence: 8, nonce: 'fresh', generation: 3, openSends: 1, attempts: 2, firstSendAt: 'now' }],
    ],
    [
      'rejected',
      recordIn('rejected'),
      give('claim', { mark: true }),
      ["T1'", 'executing', { fence: 8, fingerprint: 'new-fingerprint', error: undefined }],
    ],
    [
      'claimed, lease over: only the claim, the marker stays to be written',
      recordIn('claimed', { leaseUntil: NOW }),
      give('claim', { mark: true }),
      ['T4', 'claimed', { openSends: 0 }],
    ],
  ],
  'T2 marker': [
    [
      'the owner',
      recordIn('claimed'),
      give('mark'),
      [
        'T2',
        'executing',
        { fence: 7, openSends: 1, attempts: 2, firstSendAt: 'now', input: '{"order":2}', leaseMs: 30 },
      ],
    ],
    [
      'sent before: the downstream’s window runs from the first send',
      recordIn('claimed', { firstSendAt: NOW - 500 }),
      give('mark'),
      ['T2', 'executing', { firstSendAt: NOW - 500 }],
    ],
    ['an older fence', recordIn('claimed'), give('mark', older), 'fence'],
    ['another nonce', recordIn('claimed'), give('mark', other), 'fence'],
    ['twice', recordIn('executing'), give('mark'), 'state'],
    ['absent', undefined, give('mark'), 'state'],
  ],
  'T3 withdraw': [
    ['the owner', recordIn('claimed'), give('withdraw'), ['T3', 'released', { leaseMs: 0, openSends: 0 }]],
    ['an older fence', recordIn('claimed'), give('withdraw', older), 'fence'],
    ['after the marker', recordIn('executing'), give('withdraw'), 'state'],
  ],
  'T4 lease over': [
    [
      'over',
      recordIn('claimed', { leaseUntil: NOW }),
      give('claim'),
      ['T4', 'claimed', { fence: 8, nonce: 'fresh', owner: 'me', fingerprint: 'new-fingerprint', generation: 2 }],
    ],
    ['live to the last millisecond', recordIn('claimed', { leaseUntil: NOW + 1 }), give('claim'), 'lease'],
    ['never once executing', recordIn('executing', { leaseUntil: 0 }), give('claim'), 'state'],
  ],
  'T5 success': [
    [
      'the owner',
      recordIn('executing', { openSends: 3 }),
      give('commit'),
      ['T5', 'committed', { openSends: 0, leaseMs: 0, outcome: OUTCOME, reason: undefined }],
    ],
    ['the owner between rounds', recordIn('awaiting-input'), give('commit'), ['T5', 'committed']],
    ['twice', recordIn('committed'), give('commit'), 'already'],
    ['absent', undefined, give('commit'), 'state'],
  ],
  'T6 refusal': [
    ['the only open send', recordIn('executing'), give('reject'), ['T6', 'rejected', { openSends: 0, error: ERROR }]],
    [
      'an earlier send is open',
      recordIn('executing', { openSends: 2 }),
      give('reject'),
      ['T8', 'in-doubt', { reason: 'open-sends', openSends: 2, doubtAt: 'now', leaseMs: 0 }],
    ],
    ['another nonce', recordIn('executing'), give('reject', other), 'fence'],
    ['an older fence', recordIn('executing'), give('reject', older), 'fence'],
    ['after the commit', recordIn('committed'), give('reject'), 'state'],
  ],
  'T7 proof of not sent': [
    ['the only open send', recordIn('executing'), give('unsent'), ['T7', 'released', { openSends: 0, leaseMs: 0 }]],
    [
      'an earlier send is open',
      recordIn('executing', { openSends: 2 }),
      give('unsent'),
      ['T8', 'in-doubt', { reason: 'open-sends', openSends: 2 }],
    ],
    ['another nonce', recordIn('executing'), give('unsent', other), 'fence'],
    ['recovering', recordIn('recovering'), give('unsent'), 'state'],
  ],
  'T8 doubt': [
    [
      'by anyone who names the fence',
      recordIn('executing'),
      give('doubt'),
      [
        'T8',
        'in-doubt',
        {
          fence: 7,
          nonce: 'mine',
          openSends: 1,
          reason: 'reset',
          doubtAt: 'now',
          leaseMs: 0,
          evidence: [{ at: NOW, who: 'anyone', what: 'ECONNRESET' }],
        },
      ],
    ],
    ['between rounds', recordIn('awaiting-input'), give('doubt'), ['T8', 'in-doubt']],
    ['an older fence', recordIn('executing'), give('doubt', { fence: 6 }), 'fence'],
    ['provably nothing sent', recordIn('claimed'), give('doubt'), 'state'],
    [
      'lease over',
      recordIn('executing', { leaseUntil: NOW }),
      give('lapse'),
      ['T8', 'in-doubt', { reason: 'lease-over' }],
    ],
    [
      'lease over between rounds',
      recordIn('awaiting-input', { leaseUntil: NOW }),
      give('lapse'),
      ['T8', 'in-doubt', { reason: 'lease-over' }],
    ],
    ['lease live', recordIn('executing'), give('lapse'), 'lease'],
    ['a lapsed claim is no doubt', recordIn('claimed', { leaseUntil: 0 }), give('lapse'), 'state'],
  ],
  'T9 late answer': [
    [
      'success',
      recordIn('in-doubt', { openSends: 2 }),
      give('commit'),
      ['T9', 'committed', { openSends: 0, reason: undefined }],
    ],
    [
      'refusal of the only send',
      recordIn('in-doubt'),
      give('reject'),
      ['T9', 'rejected', { error: ERROR, openSends: 0 }],
    ],
    ['not sent after all', recordIn('in-doubt'), give('unsent'), ['T9', 'released', { openSends: 0 }]],
    ['refusal with an earlier send open', recordIn('in-doubt', { openSends: 2 }), give('reject'), 'open-sends'],
    ['refusal where nothing is known to be sent', recordIn('in-doubt', { openSends: 0 }), give('reject'), 'open-sends'],
    ['refusal of another attempt', recordIn('in-doubt'), give('reject', older), 'fence'],
    ['refusal with another nonce', recordIn('in-doubt'), give('unsent', other), 'fence'],
  ],
  'T10 recovery begins': [
    [
      'backoff elapsed',
      recordIn('in-doubt'),
      give('recover'),
      [
        'T10',
        'recovering',
        { fence: 8, nonce: 'fresh', recoveries: 1, openSends: 1, owner: 'host/boot/1/1', leaseMs: 30 },
      ],
    ],
    ['backoff not elapsed', recordIn('in-doubt'), give('recover', { backoffMs: 101 }), 'lease'],
    ['manual', recordIn('in-doubt', { recovery: 'manual' }), give('recover'), 'class'],
    ['transactional', recordIn('in-doubt', { recovery: 'transactional' }), give('recover'), 'class'],
    ['probe', recordIn('in-doubt', { recovery: 'probe' }), give('recover'), ['T10', 'recovering']],
    ['not in doubt', recordIn('executing'), give('recover'), 'state'],
  ],
  'T11 found': [
    [
      'the recoverer',
      recordIn('recovering', { openSends: 2 }),
      give('found'),
      ['T11', 'committed', { outcome: OUTCOME, openSends: 0 }],
    ],
    ['another nonce', recordIn('recovering'), give('found', other), 'fence'],
    ['no longer recovering', recordIn('in-doubt'), give('found'), 'state'],
  ],
  'T12 absent': [
    [
      'waited',
      recordIn('recovering', { openSends: 2 }),
      give('absent'),
      ['T12', 'released', { openSends: 0, leaseMs: 0 }],
    ],
    ['one millisecond short', recordIn('recovering'), give('absent', { waitedMs: 61 }), 'quarantine'],
    ['another nonce', recordIn('recovering'), give('absent', other), 'fence'],
    ['unchecked, owner may live', recordIn('recovering', { checked: false }), give('absent'), 'owner'],
    [
      'unchecked, owner dead',
      recordIn('recovering', { checked: false }),
      give('absent', { ownerDead: true }),
      ['T12', 'released'],
    ],
    [
      'unchecked, an owner before the dead one',
      recordIn('recovering', { checked: false, openSends: 2 }),
      give('absent', { ownerDead: true }),
      'owner',
    ],
    ['no longer recovering', recordIn('executing'), give('absent'), 'state'],
  ],
  'T13 send again': [
    [
      'keyed, at the last moment',
      recordIn('recovering'),
      give('resend'),
      [
        'T13',
        'executing',
        { openSends: 2, attempts: 2, fence: 7, firstSendAt: NOW - 100, input: '{"order":1}', owner: 'me' },
      ],
    ],
    ['keyed, a millisecond later', recordIn('recovering', { firstSendAt: NOW - 101 }), give('resend'), 'window'],
    ['keyed, no window given', recordIn('recovering'), { ...COMMANDS.resend, window: undefined } as never, 'window'],
    [
      'idempotent, precondition holds',
      recordIn('recovering', { recovery: 'idempotent' }),
      give('resend', { preconditionHolds: true }),
      ['T13', 'executing', { openSends: 2 }],
    ],
    [
      'idempotent, precondition not asked',
      recordIn('recovering', { recovery: 'idempotent' }),
      give('resend'),
      'precondition',
    ],
    [
      'idempotent, precondition gone',
      recordIn('recovering', { recovery: 'idempotent' }),
      give('resend', { preconditionHolds: false }),
      'precondition',
    ],
    ['composite', recordIn('recovering', { recovery: 'composite' }), give('resend'), ['T13', 'executing']],
    [
      'probe',
      recordIn('recovering', { recovery: 'probe' }),
      give('resend', { window: keyed, preconditionHolds: true }),
      'class',
    ],
    [
      'manual',
      recordIn('recovering', { recovery: 'manual' }),
      give('resend', { window: keyed, preconditionHolds: true }),
      'class',
    ],
    ['another nonce', recordIn('recovering'), give('resend', other), 'fence'],
    ['not recovering', recordIn('in-doubt'), give('resend'), 'state'],
  ],
  'T14 back in doubt': [
    [
      'the recoverer gives up',
      recordIn('recovering', { openSends: 2 }),
      give('give-up'),
      ['T14', 'in-doubt', { reason: 'recovery-failed', openSends: 2, doubtAt: NOW - 100, leaseMs: 0 }],
    ],
    ['another nonce', recordIn('recovering'), give('give-up', other), 'fence'],
    [
      'its lease is over',
      recordIn('recovering', { leaseUntil: NOW }),
      give('lapse'),
      ['T14', 'in-doubt', { reason: 'timeout', doubtAt: NOW - 100 }],
    ],
    ['its lease is live', recordIn('recovering'), give('lapse'), 'lease'],
    ['not recovering', recordIn('in-doubt'), give('give-up'), 'state'],
  ],
}

function check([, record, command, expected]: Row): void {
  const decision = decide('of1_test', record, command, NOW)
  if (typeof expected === 'string') {
    expect(decision).toEqual({ ok: false, refusal: expected })
    return
  }
  const [transition, to, draft] = expected
  expect(decision).toMatchObject({ ok: true, transition, event: { transition, from: record?.state ?? 'absent', to } })
  if (!decision.ok) return
  expect(decision.draft).toMatchObject({ state: to, ...draft })
  expect(decision.event).toMatchObject({
    fence: decision.draft?.fence,
    nonce: decision.draft?.nonce,
    openSends: decision.draft?.openSends,
  })
}

const outcomeOf = ([, , , expected]: Row): string =>
  typeof expected === 'string' ? `refused (${expected})` : `${expected[0]} to ${expected[1]}`

for (const [title, rows] of Object.entries(ROWS)) {
  describe(`${title}`, () => {
    it.each(rows.map((row) => [`${row[0]}: ${outcomeOf(row)}`, row] as const))('%s', (_name, row) => {
      expect.hasAssertions()
      check(row)
    })
  })
}

it('hides nothing of a step from the history', () => {
  expect(decide('of1_test', recordIn('executing'), { ...COMMANDS.commit, why: 'late' }, NOW)).toMatchObject({
    event: {
      transition: 'T5',
      from: 'executing',
      to: 'committed',
      fence: 7,
      nonce: 'mine',
      who: 'me',
      why: 'late',
      openSends: 0,
    },
  })
})
