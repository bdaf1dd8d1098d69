import { expect, it } from 'vitest'
import { recordIn } from '../../test/explore/machine-fixture.ts'
import { evidenceOfRound, isEvidenceOfRound, momentsOf, stamp, type Draft } from './record.ts'

const moments = { leaseMs: 30, firstSendAt: 5, doubtAt: 6, createdAt: 7, fence: 4 } as const

it('the store’s moments: its own where asked for, kept where not', () => {
  expect(momentsOf(moments, undefined, 100, 9)).toEqual({
    fence: 4,
    revision: 9,
    leaseUntil: 130,
    firstSendAt: 5,
    doubtAt: 6,
    createdAt: 7,
    updatedAt: 100,
  })
  const asked = { leaseMs: undefined, firstSendAt: 'now', doubtAt: 'now', createdAt: 'now', fence: 0 } as const
  expect(momentsOf(asked, { revision: 2, leaseUntil: 50 }, 100, 9)).toEqual({
    fence: 9,
    revision: 3,
    leaseUntil: 50,
    firstSendAt: 100,
    doubtAt: 100,
    createdAt: 100,
    updatedAt: 100,
  })
  expect(momentsOf(asked, undefined, 100, 9).leaseUntil).toBe(0)
  expect(momentsOf({ ...moments, leaseMs: 0 }, { revision: 2, leaseUntil: 50 }, 100, 9).leaseUntil).toBe(0)
})

it('a stamped record is its draft with these moments', () => {
  const {
    revision: _revision,
    leaseUntil: _lease,
    updatedAt: _updated,
    ...kept
  } = recordIn('in-doubt', {
    run: 'r',
    session: 's',
    call: 'c',
    amount: 3,
    evidence: [{ at: 1, who: 'w', what: 'x' }],
    children: ['a'],
    closedBy: { who: 'w', note: 'n' },
    parent: { key: 'p', fence: 1, ordinal: 0 },
  })
  const draft: Draft = { ...kept, leaseMs: undefined }
  expect(stamp(draft, { revision: 3, leaseUntil: 40 }, 100, 9)).toEqual({
    ...kept,
    revision: 4,
    leaseUntil: 40,
    updatedAt: 100,
  })
})

it('the fact that a round was sent is known again, and no other fact is taken for it', () => {
  expect(isEvidenceOfRound(evidenceOfRound('r1'))).toBe(true)
  for (const what of ['round r1 was answered', 'a message was sent', '']) expect(isEvidenceOfRound(what)).toBe(false)
})
