import { describe, expect, it } from 'vitest'
import type { SpoolEntry } from '../../engine/index.ts'
import { readLines, toLine } from './spool-line.ts'

const entry = (key: string): SpoolEntry => ({
  key,
  tenant: 'acme',
  fence: 7,
  nonce: 'n',
  outcome: { kind: 'value', text: 'line\nbreak \u0000 \ud800', sha256: 'a', size: 1 },
  at: 1,
  who: 'me',
})

describe('spool lines', () => {
  const one = toLine(entry('one'))
  const two = toLine(entry('two'))

  it('come back as they were, whatever is in them', () => {
    expect(readLines(Buffer.concat([one, two]))).toEqual([entry('one'), entry('two')])
  })

  it('end where the reserved zeros begin', () => {
    expect(readLines(Buffer.concat([one, Buffer.alloc(4096)]))).toEqual([entry('one')])
  })

  it.each([1, 17, 40, two.length - 1])('pass over a tail torn after %i bytes', (length) => {
    expect(readLines(Buffer.concat([one, two.subarray(0, length), Buffer.alloc(100)]))).toEqual([entry('one')])
  })

  it('pass over a line whose bytes changed, and read on', () => {
    const damaged = Buffer.from(one)
    damaged[30] = (damaged[30] as number) ^ 1
    expect(readLines(Buffer.concat([damaged, two]))).toEqual([entry('two')])
  })
})
