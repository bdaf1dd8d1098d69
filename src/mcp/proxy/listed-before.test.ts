import { describe, expect, it } from 'vitest'
import { createListMemory, type ListMemory } from './listed-before.ts'

const answer = (id: string, tools = '[]'): Buffer =>
  Buffer.from(`{ "jsonrpc":"2.0", "id" : ${id} , "result":{"tools":${tools}}}\n`)

function memory(...answers: readonly Buffer[]): ListMemory {
  const made = createListMemory()
  for (const one of answers) made.keep(one, '{"rewritten":true}')
  return made
}

describe('a list that comes again', () => {
  it.each(['8', '"8"', '-3', '0', '"a long id with [brackets]"', '123456789'])('is known under the id %s', (id) => {
    const found = memory(answer('7')).find([answer(id)])
    expect(found?.id).toBe(id)
    expect(found?.rest.toString()).toBe(',"result":{"rewritten":true}}\n')
  })

  it('is known whatever stands behind its id', () => {
    const last = (id: string): Buffer => Buffer.from(`{"result":{"tools":[]},"name":"é","jsonrpc":"2.0","id":${id}}`)
    expect(memory(last('1')).find([last('22')])?.id).toBe('22')
  })

  it('is known in whatever pieces it comes', () => {
    const bytes = answer('12345')
    const known = memory(answer('7'))
    for (let at = 0; at <= bytes.length; at += 1) {
      for (const second of [at, Math.min(at + 3, bytes.length), bytes.length]) {
        const pieces = [bytes.subarray(0, at), bytes.subarray(at, second), bytes.subarray(second)]
        expect(known.find(pieces)?.id).toBe('12345')
        const other = pieces.map((piece) => Buffer.from(piece.toString().replace('tools', 'fools').replace('}}', '}]')))
        expect(known.find(other)).toBeUndefined()
      }
    }
  })

  it.each([
    ['another list', answer('7', '[1]')],
    ['a list that is a beginning of it', answer('7').subarray(0, -3)],
    ['nothing in the place of the id', answer('')],
    ['two members in the place of the id', answer('7,"result":1')],
    ['an escaped id', answer('"\\u0031"')],
    ['an id that is no scalar', answer('{"a":1}')],
    ['a number that JSON does not have', answer('07')],
  ])('is not mistaken for %s', (_what, other) => {
    expect(memory(answer('7')).find([other])).toBeUndefined()
  })

  it('is not kept where two ids, or bytes that are no text, leave open what it says', () => {
    const twice = (id: string): Buffer => Buffer.from(`{"id":1,"id":${id},"result":{}}`)
    expect(memory(twice('2')).find([twice('2')])).toBeUndefined()
    const broken = (id: string): Buffer => Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), answer(id)])
    expect(memory(broken('2')).find([broken('2')])).toBeUndefined()
  })

  it('is kept beside the other pages, and no more than so many bytes of them', () => {
    const page = (n: number, id: string): Buffer => answer(id, `[${n},"${'x'.repeat(64 * 1024)}"]`)
    const pages = memory(...Array.from({ length: 80 }, (_, n) => page(n, '1')))
    expect(pages.find([page(79, '2')])).toBeDefined()
    expect(pages.find([page(30, '2')])).toBeDefined()
    expect(pages.find([page(0, '2')])).toBeUndefined()
    pages.forget()
    expect(pages.find([page(79, '2')])).toBeUndefined()
  })
})
