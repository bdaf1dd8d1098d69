import { expect, it } from 'vitest'
import { createEmitter } from './events.ts'

const event = { available: true, message: 'x' }

it('tells every listener of a name until it leaves, whatever others throw, at once or later', async () => {
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
  // oxlint-disable-next-line typescript/no-misused-promises -- a program may
  emitter.on('store', async () => {
    heard.push('later')
    await Promise.reject(new Error('a listener’s own'))
  })
  // Vitest fails a run in which a rejection was nobody's.
  emitter.emit('store', event)
  await new Promise(setImmediate)
  expect(heard.slice(3)).toEqual(['x', 'later'])
  leaveSecond()
  expect(emitter.has('store')).toBe(true)
})
