import { describe, expect, it } from 'vitest'
import { multipartDigest } from './multipart.ts'

const form = (boundary: string, ...parts: readonly string[]): string =>
  `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`

function digestOf(boundary: string, text: string, piece = text.length): string | undefined {
  const digest = multipartDigest(`multipart/form-data; boundary=${boundary}`)
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.byteLength; at += piece) digest?.update(bytes.subarray(at, at + piece))
  return digest?.end()
}

describe('multipart bodies', () => {
  const parts = ['a: 1\r\n\r\n----x', 'b: 2\r\n\r\ntwo'] as const

  it('are equal under any boundary, in whatever pieces they come', () => {
    const one = digestOf('----b1', form('----b1', ...parts))
    expect(one).toMatch(/^[\w-]{43}$/)
    for (const piece of [1, 2, 7, 1000]) expect(digestOf('other', form('other', ...parts), piece)).toBe(one)
  })

  it('differ in a part, in their order, and in where a part ends', () => {
    const all = [parts, [parts[1], parts[0]], [parts[0]], ['', ...parts], [parts[0] + parts[1]], [parts[0], 'b: 2']]
    expect(new Set(all.map((list) => digestOf('b', form('b', ...list)))).size).toBe(all.length)
  })

  it('are read by the boundary that their type tells, where it tells one', () => {
    const digest = (type: string): boolean => multipartDigest(type) !== undefined
    expect(['multipart/form-data; boundary=a', 'Multipart/mixed;charset=x; Boundary="a b"; y=z'].map(digest)).toEqual([
      true,
      true,
    ])
    expect(['multipart/form-data', 'text/plain; boundary=a', 'multipart/mixed; boundary=""'].map(digest)).toEqual([
      false,
      false,
      false,
    ])
    expect(multipartDigest(undefined)).toBeUndefined()
    expect(digestOf('b', form('c', 'x'))).toBeUndefined()
  })
})
