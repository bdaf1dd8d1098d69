import { expect, it } from 'vitest'
import { OnefoldError } from '../error/index.ts'
import { assertWhole, isUnreadable, leftOut, readable, readableLater, unknownState } from './unreadable.ts'

const theirs = unknownState('of1_0123456789abcdef', 'frozen')
const unsafe = new OnefoldError('STORE_UNSAFE', 'the disk lies')
const thrown = (error: Error) => (): never => {
  throw error
}

it('sets aside what a newer version wrote, and nothing else', async () => {
  const aside: OnefoldError[] = []
  expect(readable(() => 1, aside)).toBe(1)
  expect(await readableLater(Promise.resolve(2), aside)).toBe(2)
  expect(aside).toEqual([])
  expect(readable(thrown(theirs), aside)).toBeUndefined()
  expect(await readableLater(Promise.reject(theirs), aside)).toBeUndefined()
  expect(aside).toEqual([theirs, theirs])
  for (const error of [unsafe, new SyntaxError('damaged')]) {
    expect(() => readable(thrown(error), aside)).toThrow(error)
    await expect(readableLater(Promise.reject(error), aside)).rejects.toBe(error)
    expect(isUnreadable(error)).toBe(false)
  }
})

it('says in a page what is not in it, and passes only a whole one', () => {
  expect([leftOut([]), leftOut([theirs])]).toEqual([{}, { unreadable: [theirs] }])
  expect(() => assertWhole({})).not.toThrow()
  expect(() => assertWhole({ unreadable: [theirs] })).toThrow(theirs)
})

it('tells nobody that there was no effect', () => {
  expect(theirs).toMatchObject({ code: 'STORE_UNSAFE', effect: 'unknown', ticket: '0123456789ab', retryable: false })
})
