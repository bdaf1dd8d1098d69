import { describe, expect, it } from 'vitest'
import { createLines, isRetried, linesOf } from './lines.ts'

describe('which request a send is part of', () => {
  it('a repeat of a failed one is its retry; of an answered one, or beside one under way, a new one', () => {
    const lines = createLines()
    const first = lines.begin('POST /a', '', '{}')
    const beside = lines.begin('POST /a', '', '{}')
    expect([first.ordinal, beside.ordinal]).toEqual([0, 1])
    first.settle('failed')
    expect(lines.begin('POST /a', '', '{}')).toBe(first)
    first.settle('answered')
    expect(lines.begin('POST /a', '', '{}').ordinal).toBe(2)
  })

  it('another path, query, method or body is another request', () => {
    const lines = createLines()
    const first = lines.begin('POST /a', '', 'A')
    first.settle('failed')
    expect(lines.begin('POST /b', '', 'A')).not.toBe(first)
    expect(lines.begin('PUT /a', '', 'A')).not.toBe(first)
    expect(lines.begin('POST /a', '', 'B').ordinal).toBe(1)
    expect(lines.begin('POST /a', '?n=2', 'A').ordinal).toBe(2)
    expect(lines.begin('POST /a', '', 'A')).toBe(first)
  })

  it('compares what it has: bytes, lengths, or nothing', () => {
    const begin = (a: Parameters<ReturnType<typeof createLines>['begin']>[2], b: typeof a): boolean => {
      const lines = createLines()
      const first = lines.begin('POST /a', '', a)
      first.settle('failed')
      return lines.begin('POST /a', '', b) === first
    }
    expect(begin(new Uint8Array([1, 2]), new Uint8Array([1, 2]))).toBe(true)
    expect(begin(new Uint8Array([1, 2]), new Uint8Array([1, 3]))).toBe(false)
    expect(begin('ab', 2)).toBe(true)
    expect(begin('ü', 1)).toBe(false)
    expect(begin(undefined, 'x')).toBe(true)
  })

  it('an answer that broke off after its head may be asked for again', () => {
    const lines = createLines()
    const first = lines.begin('POST /a', '', 'A')
    first.settle('answered')
    first.settle('failed')
    expect(lines.begin('POST /a', '', 'A')).toBe(first)
  })

  it('one that was redirected to its own path at another origin goes on there, before any retry', () => {
    const lines = createLines()
    const failed = lines.begin('POST /a', '', 'A', 'http://b')
    const moved = lines.begin('POST /a', '', 'A', 'http://a')
    failed.settle('failed')
    moved.settle('answered', 'http://b')
    expect(lines.begin('POST /a', '', 'A', 'http://b')).toBe(moved)
    expect([moved.isHop, failed.isHop]).toEqual([true, false])
    expect(lines.begin('POST /a', '', 'A', 'http://b')).toBe(failed)
    moved.settle('failed')
    expect(lines.begin('POST /a', '', 'A', 'http://a')).toBe(moved)
    expect(moved.isHop).toBe(false)
    moved.settle('answered', 'http://b')
    expect(lines.begin('POST /a', '', 'A', 'http://c').ordinal).toBe(2)
  })

  it('what failed and is never tried again is forgotten too', () => {
    const lines = createLines(2)
    const first = lines.begin('GET /a', '?n=0', undefined)
    first.settle('failed')
    for (const n of [1, 2]) lines.begin('GET /a', `?n=${n}`, undefined).settle('failed')
    expect(lines.begin('GET /a', '?n=0', undefined)).not.toBe(first)
  })

  it('of a later attempt: each its own of the earlier one, whatever the order', () => {
    const ordinals = (...bodies: readonly (string | number)[]): readonly number[] => {
      const lines = createLines(Infinity, 'op:0')
      return bodies.map((body) => lines.begin('POST /a', '', body).ordinal)
    }
    expect(ordinals('A', 'B', 'A')).toEqual([0, 1, 2])
    expect(ordinals('B', 'A', 'A', 'A')).toEqual([1, 0, 2, 3])
    // What is made anew at every attempt is told by its place, and takes nobody's key from it.
    expect(ordinals('A at 12:01', 'B at 12:01')).toEqual([0, 1])
    expect(ordinals('C', 'A')).toEqual([0, 0])
    expect(createLines(Infinity, 'op:1').begin('POST /a', '', 'B').ordinal).toBe(0)
    expect(createLines(Infinity, 'op:0').begin('POST /a', '?n=1', 'B').ordinal).toBe(0)
  })

  it('are one for everything that sends for an attempt, and may be told to forget', () => {
    const port = {}
    expect(linesOf(port)).toBe(linesOf(port))
    const lines = createLines(2)
    for (const path of ['/a', '/b', '/c', '/a']) lines.begin(path, '', undefined)
    expect(lines.begin('/a', '', undefined).ordinal).toBe(1)
    expect(lines.begin('/b', '', undefined).ordinal).toBe(0)
  })

  it('knows the statuses that are retried', () => {
    expect([200, 307, 400, 404, 422].some(isRetried)).toBe(false)
    expect([408, 409, 425, 429, 500, 503, 504].every(isRetried)).toBe(true)
  })
})
