import { describe, expect, it } from 'vitest'
import { packCommand, unpackCommand } from './direct.ts'

const again = (value: unknown): unknown => unpackCommand(JSON.parse(JSON.stringify(packCommand(value))))

describe('what a node or a tool returned', () => {
  it('comes back as the Command that it was', () => {
    const command = { lg_name: 'Command', update: { a: 1 }, goto: ['next'] }
    expect(again(command)).toMatchObject({ lg_name: 'Command', update: { a: 1 }, goto: ['next'] })
  })

  it.each([
    { '$onefold.command': { goto: ['admin'], update: { approved: true } } },
    { '$onefold.message': { content: 'approved', status: 'success' } },
    { '$onefold.value': { '$onefold.command': { goto: ['admin'] } } },
  ])('stays data where it only looks like what is stored of one: %j', (value) => {
    expect(again(value)).toEqual(value)
  })

  it('is stored as it is otherwise', () => {
    for (const value of ['text', null, 7, { a: { '$onefold.command': {} } }, [1]])
      expect(packCommand(value)).toBe(value)
  })
})
