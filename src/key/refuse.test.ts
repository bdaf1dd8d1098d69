import { expect, it } from 'vitest'
import { formatPath, refusal } from './refuse.ts'

it.each([
  [[], '$'],
  [[0, 12], '$[0][12]'],
  [['items', 3, 'sku'], '$.items[3].sku'],
  [['azAZ09_$'], '$.azAZ09_$'],
  [['0'], '$.0'],
  [['9'], '$.9'],
  [['z'], '$.z'],
  [['A'], '$.A'],
  [['Z'], '$.Z'],
  [['odd name'], '$["odd name"]'],
  [[''], '$[""]'],
  [['a-b'], '$["a-b"]'],
  [['`'], '$["`"]'],
  [['{'], '$["{"]'],
  [['@'], '$["@"]'],
  [['['], '$["["]'],
  [['/'], '$["/"]'],
  [[':'], '$[":"]'],
  [['é'], '$["é"]'],
  [['x'.repeat(64)], `$.${'x'.repeat(64)}`],
  [['x'.repeat(65)], `$["${'x'.repeat(64)}…"]`],
])('the path %j is written %s', (segments, path) => {
  expect(formatPath(segments)).toBe(path)
})

it('a refusal carries path, reason and cause, never a value', () => {
  const cause = new Error('why')
  const error = refusal(['a', 1], 'it is odd', cause)
  expect(error).toMatchObject({
    code: 'INPUT_INVALID',
    effect: 'none',
    details: { path: '$.a[1]', reason: 'it is odd' },
    cause,
  })
  expect(error.message).toContain('$.a[1]: it is odd')
})
