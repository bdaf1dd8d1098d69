import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createNamedSlots, createSlots } from './slots.ts'

describe('slots', () => {
  it('keep what was added until it is taken, and give its number out again', () => {
    const slots = createSlots<string>()
    const [one, two] = [slots.add('one'), slots.add('two')]
    expect([...slots]).toEqual(['one', 'two'])
    expect(slots.get(one)).toBe('one')
    expect(slots.take(one)).toBe('one')
    expect(slots.size).toBe(1)
    expect(slots.take(one)).toBeUndefined()
    expect(slots.add('three')).toBe(one)
    expect(slots.get(two)).toBe('two')
    expect(slots.size).toBe(2)
  })

  it('go through what was there when the look began', () => {
    const slots = createSlots<number>()
    slots.add(1)
    const seen: number[] = []
    for (const item of slots) {
      seen.push(item)
      slots.add(item + 1)
    }
    expect(seen).toEqual([1])
  })

  it('forget everything at once', () => {
    const slots = createSlots<number>()
    slots.add(1)
    slots.clear()
    expect(slots.size).toBe(0)
    expect(slots.add(2)).toBe(0)
  })
})

describe('named slots', () => {
  it('answer as a Map does, whatever is done to them', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd')
    const step = fc.oneof(
      fc.record({ kind: fc.constant('set' as const), name, item: fc.integer() }),
      fc.record({ kind: fc.constant('delete' as const), name }),
      fc.record({ kind: fc.constant('clear' as const), name }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const slots = createNamedSlots<number>()
        const map = new Map<string, number>()
        for (const one of steps) {
          if (one.kind === 'set') {
            slots.set(one.name, one.item)
            map.set(one.name, one.item)
          } else if (one.kind === 'delete') expect(slots.delete(one.name)).toBe(map.delete(one.name))
          else {
            slots.clear()
            map.clear()
          }
          expect(slots.size).toBe(map.size)
          for (const each of ['a', 'b', 'c', 'd']) {
            expect(slots.get(each)).toBe(map.get(each))
            expect(slots.has(each)).toBe(map.has(each))
          }
          expect(new Set(slots.values())).toEqual(new Set(map.values()))
        }
      }),
    )
  })
})
