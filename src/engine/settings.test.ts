import { expect, it } from 'vitest'
import { thrownBy } from '../../test/vectors/attempt.ts'
import { DEFAULTS, settingsWith } from './settings.ts'

it('the defaults are those of protocol.md section 9', () => {
  expect(settingsWith()).toEqual({
    leaseMs: 30_000,
    heartbeatMs: 10_000,
    sendGraceMs: 2_000,
    quarantineMs: 60_000,
    windowMarginMs: 120_000,
    waitMs: 30_000,
    questionMs: 600_000,
    sweepMs: 1_000,
    storeDeadlineMs: 2_000,
    inlineResultBytes: 65_536,
    maxInputBytes: 1_048_576,
    recoveryBackoffMs: 250,
    maxRecoveryBackoffMs: 180_000,
    replayMemoryMs: 5_000,
    spoolReserveBytes: 1_048_576,
  })
  expect(settingsWith()).toEqual(DEFAULTS)
})

it('the window’s margin follows the quarantine, unless it is given', () => {
  expect(settingsWith({ quarantineMs: 500 }).windowMarginMs).toBe(2_000)
  expect(settingsWith({ quarantineMs: 5_000 }).windowMarginMs).toBe(10_000)
  expect(settingsWith({ quarantineMs: 500, windowMarginMs: 500 }).windowMarginMs).toBe(500)
})

it('the longest pause between recoveries leaves room behind the quarantine, unless it is given', () => {
  expect(settingsWith({ quarantineMs: 20_000 }).maxRecoveryBackoffMs).toBe(60_000)
  expect(settingsWith({ quarantineMs: 500 }).maxRecoveryBackoffMs).toBe(30_000)
  expect(settingsWith({ maxRecoveryBackoffMs: 20 }).maxRecoveryBackoffMs).toBe(20)
})

it.each([
  [{ leaseMs: -1 }, 'leaseMs'],
  [{ waitMs: -1 }, 'waitMs'],
  [{ sweepMs: Number.NaN }, 'sweepMs'],
  [{ waitMs: Number.POSITIVE_INFINITY }, 'waitMs'],
  [{ leaseMs: 19_999 }, 'half of leaseMs'],
  [{ windowMarginMs: 59_999 }, 'at least quarantineMs'],
])('times that contradict one another are refused: %j', (overrides, text) => {
  const error = thrownBy(() => settingsWith(overrides)) as Error
  expect(error).toMatchObject({ code: 'CONTRACT_INVALID' })
  expect(error.message).toContain(text)
})

it('times at their limits are taken', () => {
  expect(settingsWith({ leaseMs: 20_000 }).leaseMs).toBe(20_000)
  expect(settingsWith({ windowMarginMs: 60_000 }).windowMarginMs).toBe(60_000)
  expect(settingsWith({ waitMs: 0 }).waitMs).toBe(0)
})
