import { expect, it } from 'vitest'
import { createEmitter } from './events.ts'

const event = { available: true, message: 'x' }

it('tells every listener of a name until it leaves, whatever others throw', () => {
  const emitter = createEmitter()
  const heard: string[] = []
  emitter.emit('store', event)
  expect(emitter.has('store')).toBe(false)
  const leave = emitter.on('store', () => {
    heard.push('first')
    throw new Error('a listener’s own')
  })
  const leaveSecond = emitter.on('store', ({ message }) => void heard.push(message))
  emitter.emit('store', event)
  expect(heard).toEqual(['first', 'x'])
  expect(emitter.has('store')).toBe(true)
  expect(emitter.has('doubt')).toBe(false)
  leave()
  emitter.emit('store', event)
  expect(heard).toEqual(['first', 'x', 'x'])
  leaveSecond()
  expect(emitter.has('store')).toBe(false)
})
