import { describe, expect, it } from 'vitest'
import { settingsOf } from './settings.ts'

describe('settings from the environment', () => {
  it('are the defaults where nothing is set', () => {
    expect(settingsOf({})).toEqual({ budget: {}, providers: {}, ignore: [] })
    expect(settingsOf({ ONEFOLD_RETRIES_CALL: '', ONEFOLD_ATTEMPTS: '' })).toEqual(settingsOf({}))
  })

  it('are read', () => {
    expect(
      settingsOf({
        ONEFOLD_RETRIES_CALL: '2',
        ONEFOLD_RETRIES_RUN: '0',
        ONEFOLD_IGNORE: 'otel:4318, localhost',
        ONEFOLD_PROVIDERS: 'pay.internal=stripe,orders=X-Request-Id,mail=none',
        ONEFOLD_ATTEMPTS: '1',
      }),
    ).toEqual({
      budget: { call: 2, run: 0 },
      ignore: ['otel:4318', 'localhost'],
      providers: { 'pay.internal': 'stripe', orders: { header: 'X-Request-Id' }, mail: false },
      report: 'stderr',
    })
    expect(settingsOf({ ONEFOLD_ATTEMPTS: 'attempts.json' }).report).toBe('attempts.json')
  })

  it.each([
    ['ONEFOLD_RETRIES_CALL', '-1'],
    ['ONEFOLD_RETRIES_RUN', '1.5'],
    ['ONEFOLD_PROVIDERS', 'pay.internal'],
  ])('are refused by name: %s=%s', (name, value) => {
    expect(() => settingsOf({ [name]: value })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(name) }),
    )
  })
})
