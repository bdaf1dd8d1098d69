import { expect, it } from 'vitest'
import { carryRun, runFrom } from './carrier.ts'
import { newRun, withRun } from './run.ts'

const KEY = `of1_${'A'.repeat(43)}`

it('a parent is one key and two whole numbers, whatever else stands around them', () => {
  const parentOf = (text: string) => runFrom({ 'onefold-parent': text }).parent
  expect(parentOf(`${KEY}/12/0`)).toEqual({ key: KEY, fence: 12, ordinal: 0 })
  expect(parentOf(`${KEY}/${'9'.repeat(15)}/34`)).toEqual({ key: KEY, fence: 999_999_999_999_999, ordinal: 34 })
  for (const wrong of [
    `${KEY}/${'9'.repeat(16)}/3`,
    `${KEY}/x1/0`,
    `${KEY}/1x/0`,
    `${KEY}/1/x0`,
    `${KEY}/1/0x`,
    `${KEY}/1/`,
    `${KEY}/1/0/`,
    `${KEY}x/1/0`,
    '/1/0',
    `x/${KEY}/1/0`,
    `${KEY}/1`,
  ])
    expect(parentOf(wrong)).toBeUndefined()
})

it('a plain object of headers may have one that is called get', () => {
  expect(runFrom({ get: 'x', 'onefold-run': 'r', 'io.onefold/session-id': 's' })).toEqual({ id: 'r', session: 's' })
})

it('what an object inherits or holds that is no text is not read', () => {
  expect(runFrom({ 'onefold-run': ['r'], 'io.onefold/run-id': 5, 'onefold-parent': null })).toEqual({})
})

it('what a run or a carrier does not have is left out, not sent or read as undefined', () => {
  const run = newRun({ id: 'r', tenant: 't', session: undefined, unanchored: false, mintedUnder: 0 })
  expect(Object.entries(withRun(run, () => carryRun()))).toEqual([
    ['onefold-run', 'r'],
    ['onefold-tenant', 't'],
  ])
  expect(Object.entries(runFrom({ 'onefold-run': 'r' }))).toEqual([['id', 'r']])
})
