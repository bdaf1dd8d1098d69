import { describe, expect, it } from 'vitest'
import { lineReader, type Line } from './lines.ts'

function read(chunks: readonly (string | Buffer)[], maxBytes = 100): readonly string[] {
  const lines: Line[] = []
  const reader = lineReader(maxBytes, (line) => lines.push(line))
  for (const chunk of chunks) reader.push(Buffer.from(chunk))
  reader.end()
  return lines.map((line) => (line.kind === 'line' ? line.bytes.toString() : `too long: ${line.length}`))
}

describe('lineReader', () => {
  it('gives lines byte for byte, wherever the chunks end', () => {
    expect(read(['{"a"', ':1}\n{"b":2}\r', '\n{"c":3}'])).toEqual(['{"a":1}\n', '{"b":2}\r\n', '{"c":3}'])
    const text = '{"ä":"€"}\n[]\n'
    const bytes = Array.from(Buffer.from(text), (byte) => Buffer.of(byte))
    expect(read(bytes)).toEqual(['{"ä":"€"}\n', '[]\n'])
  })

  it('drops blank lines', () => {
    expect(read(['\n\r\n  \n', 'x\n', '\n'])).toEqual(['x\n'])
  })

  it('tells of a line that is too long, and goes on with the next', () => {
    expect(read(['1234567890\n12345678', '90123\nabc\n'], 11)).toEqual(['1234567890\n', 'too long: 14', 'abc\n'])
    expect(read(['x'.repeat(30), 'y'.repeat(30)], 20)).toEqual(['too long: 60'])
    expect(read(['x'.repeat(30), '\nok\n'], 20)).toEqual(['too long: 31', 'ok\n'])
  })

  it('looks at every byte once: a long line in small chunks is not copied again and again', () => {
    const reader = lineReader(64 * 1024 * 1024, () => {})
    const started = performance.now()
    for (let chunk = 0; chunk < 200_000; chunk += 1) reader.push(Buffer.from('0123456789'))
    reader.end()
    expect(performance.now() - started).toBeLessThan(3_000)
  })
})
