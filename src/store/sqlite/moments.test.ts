import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { momentsOf } from '../../engine/index.ts'
import { momentsInWorker } from './moments.ts'

const time = fc.nat()
const moment = fc.oneof(fc.constant('now' as const), fc.constant(0), time)
const draft = fc.record({
  fence: fc.oneof(fc.constant(0), fc.nat()),
  leaseMs: fc.oneof(fc.constant(undefined), fc.constant(0), time),
  firstSendAt: moment,
  doubtAt: moment,
  createdAt: moment,
})
const current = fc.oneof(fc.constant(undefined), fc.record({ revision: fc.nat(), leaseUntil: time }))

describe('moments in the worker', () => {
  it('are the engine’s', () => {
    fc.assert(
      fc.property(draft, current, time, fc.integer({ min: 1 }), (wanted, before, now, sequence) => {
        expect(momentsInWorker(wanted, before, now, sequence)).toEqual(momentsOf(wanted, before, now, sequence))
      }),
    )
  })
})
