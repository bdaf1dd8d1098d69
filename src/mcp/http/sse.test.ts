import { describe, expect, it } from 'vitest'
import { eventOf, sseReader, type SseEvent } from './sse.ts'

const STREAM = [
  ': a comment\n\n',
  'id: 1\nevent: message\ndata: {"a":1}\n\n',
  'id: 2\r\ndata: {"b":\r\ndata: "é"}\r\n\r\n',
  'data: c\r\rretry: 5\rdata:d\r\r',
  `data: ${'x'.repeat(100)}\n\n`,
].join('')

function eventsOf(pieces: readonly Buffer[], maxBytes = 1_000): readonly SseEvent[] {
  const events: SseEvent[] = []
  const reader = sseReader(maxBytes, (event) => events.push(event))
  for (const piece of pieces) reader.push(piece)
  return events
}

describe('sseReader', () => {
  const bytes = Buffer.from(STREAM)
  const whole = eventsOf([bytes])

  it('reads events with every kind of line end', () => {
    expect(whole.map(({ id, data, retryMs }) => [id, data, retryMs])).toEqual([
      [undefined, undefined, undefined],
      ['1', '{"a":1}', undefined],
      ['2', '{"b":\n"é"}', undefined],
      [undefined, 'c', undefined],
      [undefined, 'd', 5],
      [undefined, 'x'.repeat(100), undefined],
    ])
    expect(whole.map(({ raw }) => raw).join('')).toBe(STREAM)
  })

  it.each([1, 2, 3, 4, 5, 7, 11, 64])('reads the same from pieces of %i bytes', (size) => {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    )
    expect(eventsOf(pieces)).toEqual(whole)
  })

  it('refuses an event over the limit, in however many pieces it comes', () => {
    const piece = Buffer.from('data: 0123456789')
    expect(() => eventsOf([piece, piece, piece], 40)).toThrow('larger than 40 bytes')
    expect(() => eventsOf([Buffer.from('\n\n'.repeat(100)), piece], 40)).not.toThrow()
  })
})

it.each(['{"a":1}', '{\n  "a": 1\n}\n', '{\r\n"a": "\u2028"\r}'])('an event of ours carries %j whole', (document) => {
  const [event, ...more] = eventsOf([Buffer.from(eventOf(document, '7'))])
  expect([event?.id, JSON.parse(event?.data ?? ''), more]).toEqual(['7', JSON.parse(document), []])
})
