import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration } from './duration.ts'

describe('parseDuration', () => {
  it.each([
    ['250ms', 250],
    ['5s', 5000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['1.5h', 5_400_000],
    ['0.1s', 100],
    ['0s', 0],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each([
    ['24 hours', "'24h'"],
    ['5 min', "'5m'"],
    ['5M', "'5m'"],
    ['2 weeks', "'14d'"],
    [' 24h ', "'24h'"],
    ['60', "'60ms' or '60s'"],
    [5000, "'5000ms'"],
    ['soon', "'24h'"],
    ['', "'24h'"],
    ['-5s', "'24h'"],
    ['5.', "'24h'"],
    ['.5s', "'24h'"],
    ['1e3s', "'1h'"],
    ['0.0001s', "'0.0001s'"],
    ['99999999999999999d', "'99999999999999999d'"],
    [null, "'24h'"],
    ['__proto__', "'24h'"],
    ['5__proto__', "'5h'"],
    ['5constructor', "'5h'"],
  ])('refuses %s and writes the nearest form', (text, nearest) => {
    expect(() => parseDuration(text as string, 'retention')).toThrow(
      expect.objectContaining({ code: 'CONTRACT_INVALID', message: expect.stringContaining(`as ${nearest}`) }),
    )
  })

  it('reads what formatDuration writes', () => {
    expect(formatDuration(86_400_000)).toBe('24h')
    expect(formatDuration(604_800_000)).toBe('7d')
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(1, 1000, 60_000, 3_600_000), (count, unit) => {
        expect(parseDuration(formatDuration(count * unit))).toBe(count * unit)
      }),
    )
  })
})
