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

it.each(['заказ-17', 'a\nb', ' a ', 'é', '100%', "utf-8''x", "utf-8''%", '\ud800', 'x'.repeat(512), 'я'.repeat(512)])(
  'a run called %j arrives as it is, through real headers',
  (id) => {
    const run = newRun({ id, tenant: id, session: id, unanchored: false, mintedUnder: 0 })
    const sent = withRun(run, () => carryRun())
    const name = id.toWellFormed()
    expect(runFrom(new Headers(sent), { trustTenant: true })).toEqual({ id: name, tenant: name, session: name })
    expect(withRun(run, () => runFrom(carryRun('meta')))).toEqual({ id, session: id })
  },
)

it('a name that would be dropped on arrival is not sent', () => {
  const run = newRun({ id: 'x'.repeat(513), tenant: 't', session: undefined, unanchored: false, mintedUnder: 0 })
  expect(() => withRun(run, () => carryRun())).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
})

it('headers are read in any case, and what is no encoded name is one itself', () => {
  expect(runFrom({ 'Onefold-Run': 'r', 'ONEFOLD-SESSION': 's' })).toEqual({ id: 'r', session: 's' })
  expect(runFrom({ 'onefold-run': "utf-8''%zz" })).toEqual({ id: "utf-8''%zz" })
})
