import { describe, expect, it } from 'vitest'
import { COMMANDS, ERROR, give, NOW, OUTCOME, recordIn } from '../../test/explore/machine-fixture.ts'
import type { Command, Refusal } from './commands.ts'
import { assertEdge, assertInvariant, InvariantViolation, type Transition } from './edges.ts'
import { decide } from './machine.ts'
import { stamp, stateBefore, STATES, type Draft, type OperationRecord, type State } from './record.ts'

const decided = (record: OperationRecord | undefined, command: Command) => decide('of1_test', record, command, NOW)
const refusal = (code: Refusal) => ({ ok: false, refusal: code })
const older = { fence: 6, nonce: 'theirs' }

describe('T15 success evidence crosses fences', () => {
  for (const state of ['claimed', 'executing', 'awaiting-input', 'accepted', 'in-doubt', 'recovering'] as const) {
    it(`commits ${state}, evidence first, without alarm`, () => {
      const decision = decided(recordIn(state, { openSends: 2 }), give('commit', older))
      expect(decision).toMatchObject({
        transition: 'T15',
        draft: {
          state: 'committed',
          openSends: 0,
          fence: 7,
          evidence: [{ at: NOW, who: 'me', what: 'success of attempt 6' }],
        },
      })
      expect(decision).not.toHaveProperty('alarm')
    })
  }

  for (const state of ['released', 'rejected', 'abandoned'] as const) {
    it(`commits ${state} and raises an alarm`, () => {
      expect(decided(recordIn(state), give('commit', older))).toMatchObject({
        transition: 'T15',
        alarm: `success evidence for an operation that was ${state}`,
        draft: { error: undefined },
      })
    })
  }

  for (const state of ['compensating', 'compensated', 'expired', 'superseded'] as const) {
    it(`changes nothing once ${state}`, () => {
      expect(decided(recordIn(state), give('commit', older))).toEqual(refusal('state'))
    })
  }

  it('refuses a fence that was never given', () => {
    expect(decided(recordIn('executing'), give('commit', { fence: 8, nonce: 'forged' }))).toEqual(refusal('fence'))
  })

  it('keeps only the newest 32 pieces of evidence', () => {
    const evidence = Array.from({ length: 32 }, (_, at) => ({ at, who: 'me', what: 'older' }))
    const decision = decided(recordIn('executing', { evidence }), give('commit', older))
    expect(decision.ok && decision.draft?.evidence.map((one) => one.at)).toEqual(
      [...evidence.keys()].slice(1).concat(NOW),
    )
  })
})

describe('T16 a person', () => {
  it('says released after the quarantine', () => {
    expect(decided(recordIn('in-doubt', { openSends: 2 }), give('resolve'))).toMatchObject({
      transition: 'T16',
      draft: { state: 'released', openSends: 0, reason: undefined, closedBy: { who: 'ada', note: 'asked the bank' } },
    })
  })

  it('may not say released a millisecond earlier', () => {
    expect(decided(recordIn('in-doubt'), give('resolve', { quarantineMs: 101 }))).toEqual(refusal('quarantine'))
    expect(decided(recordIn('in-doubt', { quarantineMs: 101 }), give('resolve'))).toEqual(refusal('quarantine'))
    expect(decided(recordIn('in-doubt', { quarantineMs: 100 }), give('resolve'))).toMatchObject({ ok: true })
  })

  it('says committed at any time', () => {
    expect(
      decided(recordIn('in-doubt'), give('resolve', { verdict: 'committed', outcome: OUTCOME, quarantineMs: 999 })),
    ).toMatchObject({
      draft: { state: 'committed', openSends: 0, outcome: OUTCOME },
    })
  })

  it('abandons without pretending to know', () => {
    expect(
      decided(recordIn('in-doubt', { openSends: 2 }), give('resolve', { verdict: 'abandoned', quarantineMs: 999 })),
    ).toMatchObject({
      draft: { state: 'abandoned', openSends: 2, reason: 'timeout', leaseMs: 0 },
    })
  })

  it('resolves nothing but doubts', () => {
    for (const state of STATES.filter((one) => one !== 'in-doubt')) {
      expect(decided(recordIn(state), give('resolve'))).toEqual(refusal('state'))
    }
  })
})

describe('T17 retention', () => {
  for (const state of ['committed', 'compensated', 'abandoned'] as const) {
    it(`turns ${state} into a tombstone after the longer of retention and retry horizon`, () => {
      expect(decided(recordIn(state, { updatedAt: NOW - 5_000 }), give('expire'))).toMatchObject({
        transition: 'T17',
        draft: { state: 'expired', outcome: undefined, input: undefined, fingerprint: 'old-fingerprint', fence: 7 },
      })
      expect(decided(recordIn(state, { updatedAt: NOW - 4_999 }), give('expire'))).toEqual(refusal('lease'))
      expect(decided(recordIn(state, { updatedAt: NOW - 5_000, retryHorizonMs: 5_001 }), give('expire'))).toEqual(
        refusal('lease'),
      )
    })
  }

  it('keeps in the tombstone what became of it', () => {
    for (const state of ['committed', 'compensated', 'abandoned'] as const) {
      const decision = decided(recordIn(state, { updatedAt: 0 }), give('expire'))
      expect(decision.ok && stateBefore(stamp(decision.draft as Draft, undefined, NOW, 1))).toBe(state)
    }
  })

  for (const state of ['released', 'rejected'] as const) {
    it(`deletes ${state} after the retry horizon`, () => {
      const recovery = 'manual'
      expect(decided(recordIn(state, { recovery, updatedAt: NOW - 3_000 }), give('expire'))).toMatchObject({
        ok: true,
        transition: 'T17',
        draft: undefined,
        event: { transition: 'T17', from: state, to: 'deleted', fence: 7 },
      })
      expect(decided(recordIn(state, { recovery, updatedAt: NOW - 2_999 }), give('expire'))).toEqual(refusal('lease'))
      expect(decided(recordIn(state, { updatedAt: 0, openSends: 1 }), give('expire'))).toEqual(refusal('open-sends'))
    })

    it(`keeps ${state} for its retention where its downstream knows a key`, () => {
      expect(decided(recordIn(state, { updatedAt: NOW - 4_999 }), give('expire'))).toEqual(refusal('lease'))
      expect(decided(recordIn(state, { updatedAt: NOW - 5_000 }), give('expire'))).toMatchObject({ ok: true })
    })
  }

  it('never touches what is open, nor a tombstone (I10)', () => {
    const kept = STATES.filter(
      (one) => !['committed', 'compensated', 'abandoned', 'released', 'rejected'].includes(one),
    )
    for (const state of kept)
      expect(decided(recordIn(state, { updatedAt: 0 }), give('expire'))).toEqual(refusal('state'))
  })
})

describe('T18 another attempt', () => {
  for (const state of ['released', 'rejected'] as const) {
    it(`takes ${state} with a corrected input, a new fence and a new downstream key`, () => {
      expect(
        decided(recordIn(state, { round: 2, children: ['of1_child'], delivered: true }), give('claim')),
      ).toMatchObject({
        transition: 'T18',
        draft: {
          state: 'claimed',
          fence: 8,
          nonce: 'fresh',
          generation: 3,
          fingerprint: 'new-fingerprint',
          input: '{"order":2}',
          error: undefined,
          firstSendAt: 0,
          openSends: 0,
          round: 0,
          children: [],
          delivered: false,
          attempts: 1,
        },
      })
      expect(decided(recordIn(state, { openSends: 1 }), give('claim'))).toEqual(refusal('open-sends'))
    })
  }
})

describe('T19 rounds', () => {
  it('asks and resumes within one attempt', () => {
    expect(decided(recordIn('executing'), give('ask'))).toMatchObject({
      transition: 'T19',
      draft: { state: 'awaiting-input', round: 1, fence: 7, openSends: 1 },
    })
    for (const [recorded, sent, kept] of [
      [undefined, undefined, undefined],
      [undefined, 90, 90],
      [120, 90, 120],
      [120, undefined, 120],
    ] as const) {
      const record = recordIn('awaiting-input', { quarantineMs: recorded })
      const { draft } = decided(record, give('resume', { quarantineMs: sent })) as { draft: { quarantineMs?: number } }
      expect(draft.quarantineMs).toBe(kept)
    }
    expect(decided(recordIn('awaiting-input'), give('resume'))).toMatchObject({
      transition: 'T19',
      draft: { state: 'executing', fence: 7, openSends: 1, leaseMs: 30 },
    })
  })

  it('a question settles nothing while an earlier send is open', () => {
    expect(decided(recordIn('executing', { openSends: 2 }), give('ask'))).toMatchObject({
      transition: 'T8',
      draft: { state: 'in-doubt', reason: 'open-sends' },
    })
  })

  it('a round is sent once, whoever brings it again', () => {
    const asked = decided(recordIn('executing', { round: 1 }), { ...give('ask'), round: 'a', leaseMs: 99 } as Command)
    expect(asked).toMatchObject({
      draft: { round: 2, leaseMs: 99, evidence: [{ what: 'round a was sent' }] },
    })
    const evidence = [{ at: 1, who: 'w', what: 'round a was sent' }]
    const resume = (round: string): Command => ({ ...give('resume'), round }) as Command
    expect(decided(recordIn('awaiting-input', { evidence }), resume('a'))).toEqual(refusal('already'))
    expect(decided(recordIn('awaiting-input', { evidence }), resume('b'))).toMatchObject({ transition: 'T19' })
  })

  it('what a later round is told proves nothing about an earlier one', () => {
    for (const type of ['reject', 'unsent'] as const) {
      const refused = { ...give(type), questionMs: 99 } as Command
      expect(decided(recordIn('executing', { round: 1 }), refused)).toMatchObject({
        transition: 'T19',
        draft: { state: 'awaiting-input', round: 1, openSends: 1, leaseMs: 99 },
      })
      expect(decided(recordIn('executing', { round: 1, openSends: 2 }), refused)).toMatchObject({ transition: 'T8' })
      expect(decided(recordIn('in-doubt', { round: 1, openSends: 1 }), give(type))).toEqual(refusal('open-sends'))
    }
  })

  it('is the owner’s alone', () => {
    expect(decided(recordIn('executing'), give('ask', older))).toEqual(refusal('fence'))
    expect(decided(recordIn('awaiting-input'), give('resume', { nonce: 'theirs' }))).toEqual(refusal('fence'))
    expect(decided(recordIn('executing'), give('resume'))).toEqual(refusal('state'))
    expect(decided(recordIn('in-doubt'), give('ask'))).toEqual(refusal('state'))
  })
})

describe('T20 accepted now, verified later', () => {
  it('records the answer, and its verdict', () => {
    expect(decided(recordIn('executing'), give('accept'))).toMatchObject({
      transition: 'T20',
      draft: { state: 'accepted', outcome: OUTCOME },
    })
    expect(decided(recordIn('accepted'), give('verified'))).toMatchObject({
      transition: 'T20',
      draft: { state: 'committed', openSends: 0 },
    })
    expect(decided(recordIn('accepted'), give('verified', { happened: false }))).toMatchObject({
      transition: 'T20',
      draft: { state: 'in-doubt', reason: 'verification-failed', doubtAt: 'now', leaseMs: 0, openSends: 1 },
    })
  })

  it('is taken over only when the verifier’s lease is over', () => {
    expect(decided(recordIn('accepted'), give('verify'))).toEqual(refusal('lease'))
    expect(decided(recordIn('accepted', { leaseUntil: NOW }), give('verify'))).toMatchObject({
      transition: 'T20',
      draft: { fence: 8, nonce: 'fresh' },
    })
    expect(decided(recordIn('executing', { leaseUntil: 0 }), give('verify'))).toEqual(refusal('state'))
  })

  it('is the attempt’s alone, and never runs again', () => {
    expect(decided(recordIn('executing'), give('accept', older))).toEqual(refusal('fence'))
    expect(decided(recordIn('accepted'), give('verified', { nonce: 'theirs' }))).toEqual(refusal('fence'))
    expect(decided(recordIn('committed'), give('verified'))).toEqual(refusal('state'))
    expect(decided(recordIn('committed'), give('accept'))).toEqual(refusal('state'))
    expect(decided(recordIn('accepted', { leaseUntil: 0 }), give('claim'))).toEqual(refusal('state'))
  })
})

describe('T21 compensation', () => {
  it('goes through compensating', () => {
    expect(decided(recordIn('committed'), give('compensate'))).toMatchObject({
      transition: 'T21',
      draft: { state: 'compensating', outcome: OUTCOME, nonce: 'fresh' },
    })
    expect(decided(recordIn('compensating'), give('compensated'))).toMatchObject({
      transition: 'T21',
      draft: { state: 'compensated', leaseMs: 0 },
    })
    expect(decided(recordIn('committed'), give('compensated'))).toEqual(refusal('state'))
    expect(decided(recordIn('executing'), give('compensate'))).toEqual(refusal('state'))
  })
})

describe('steps that move nothing', () => {
  it('a heartbeat extends the lease of the owner only', () => {
    for (const state of ['claimed', 'executing', 'recovering', 'accepted', 'awaiting-input', 'compensating'] as const) {
      expect(decided(recordIn(state), give('heartbeat'))).toMatchObject({
        transition: 'heartbeat',
        draft: { state, leaseMs: 30, fence: 7 },
      })
      expect(decided(recordIn(state), give('heartbeat', older))).toEqual(refusal('fence'))
    }
    expect(decided(recordIn('in-doubt'), give('heartbeat'))).toEqual(refusal('state'))
  })

  it('evidence is kept beside a doubt, a refusal and a tombstone', () => {
    for (const state of ['in-doubt', 'rejected', 'expired'] as const) {
      expect(decided(recordIn(state), give('note-evidence'))).toMatchObject({
        transition: 'evidence',
        draft: { state, evidence: [{ what: 'a webhook' }] },
      })
    }
    expect(decided(recordIn('committed'), give('note-evidence'))).toEqual(refusal('state'))
  })

  it('a doubt needs no words, and a lapsed recovery no earlier reason', () => {
    const silent = { ...COMMANDS.doubt, evidence: undefined } as unknown as Command
    expect(decided(recordIn('executing'), silent)).toMatchObject({ draft: { state: 'in-doubt', evidence: [] } })
    expect(decided(recordIn('recovering', { reason: undefined, leaseUntil: 0 }), give('lapse'))).toMatchObject({
      draft: { state: 'in-doubt', reason: 'lease-over' },
    })
  })

  it('a parent re-run must meet the child it recorded', () => {
    expect(decided(recordIn('executing'), give('adopt', { ordinal: 1 }))).toMatchObject({
      transition: 'adopted',
      draft: { children: ['', 'of1_child'] },
    })
    const again = recordIn('executing', { children: ['of1_child'] })
    expect(decided(again, give('adopt'))).toEqual(refusal('already'))
    expect(decided(again, give('adopt', { child: 'of1_other' }))).toEqual(refusal('diverged'))
    expect(decided(again, give('adopt', older))).toEqual(refusal('fence'))
    expect(decided(recordIn('in-doubt'), give('adopt'))).toEqual(refusal('state'))
  })

  it('delivery is noted once, on what has an answer', () => {
    for (const state of ['committed', 'rejected', 'released', 'in-doubt', 'abandoned', 'compensated'] as const) {
      expect(decided(recordIn(state), give('deliver'))).toMatchObject({
        transition: 'delivered',
        draft: { state, delivered: true },
      })
      expect(decided(recordIn(state, { delivered: true }), give('deliver'))).toEqual(refusal('already'))
    }
    for (const state of ['claimed', 'executing', 'recovering', 'expired', 'superseded'] as const) {
      expect(decided(recordIn(state), give('deliver'))).toEqual(refusal('state'))
    }
  })
})

describe('every other edge is a bug', () => {
  it('absent obeys a claim and a superseding only', () => {
    for (const type of Object.keys(COMMANDS) as Command['type'][]) {
      if (type === 'claim' || type === 'supersede') continue
      expect(decided(undefined, give(type))).toEqual(refusal('state'))
    }
  })

  it('no command takes an edge that the table does not list', () => {
    for (const state of STATES) {
      for (const type of Object.keys(COMMANDS) as Command['type'][]) {
        for (const change of [{}, { leaseUntil: 0, updatedAt: 0 }]) {
          const decision = decided(recordIn(state, change), give(type))
          if (!decision.ok) continue
          const to = decision.draft?.state ?? 'deleted'
          expect(() => assertEdge(decision.transition, state, to)).not.toThrow()
        }
      }
    }
  })

  it('assertEdge stops a wrong one', () => {
    const wrong: readonly (readonly [Transition, State, State])[] = [
      ['T5', 'claimed', 'committed'],
      ['T15', 'compensated', 'committed'],
      ['T13', 'in-doubt', 'executing'],
      ['T18', 'in-doubt', 'claimed'],
      ['T4', 'executing', 'claimed'],
      ['T17', 'in-doubt', 'expired'],
    ]
    for (const [transition, from, to] of wrong) {
      expect(() => assertEdge(transition, from, to)).toThrow(InvariantViolation)
      expect(() => assertEdge(transition, from, to)).toThrow(`${transition} does not lead from ${from} to ${to}`)
    }
    expect(() => assertInvariant(false, 'I3')).toThrow('I3')
    expect(() => assertInvariant(true, 'I3')).not.toThrow()
  })

  it('a closed record with an open send cannot be written, whatever put it there', () => {
    expect(() => decided(recordIn('rejected', { openSends: 2 }), give('note-evidence'))).toThrow(
      'rejected with an open send (I3)',
    )
  })

  it('a refusal is stored as it came', () => {
    expect(decided(recordIn('executing'), give('reject'))).toMatchObject({
      draft: { error: ERROR, outcome: undefined },
    })
  })
})
