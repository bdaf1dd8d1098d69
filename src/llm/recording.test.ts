import { getEventListeners } from 'node:events'
import { expect, it } from 'vitest'
import { createRecording } from './recording.ts'

it('a reader leaves nothing on a signal that outlives it, however long it waited', async () => {
  const { signal } = new AbortController()
  for (const end of ['whole', 'failed', 'cancelled'] as const) {
    const recording = createRecording<string, number>()
    const reader = recording.stream(signal).getReader()
    for (let n = 0; n < 20; n += 1) {
      const read = reader.read()
      await new Promise((resolve) => setImmediate(resolve))
      recording.push(n)
      expect(await read).toEqual({ done: false, value: n })
      expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    }
    if (end === 'whole') recording.end()
    else if (end === 'failed') recording.fail(new Error('lost'))
    else await reader.cancel()
    await reader.read().catch(() => undefined)
    expect(getEventListeners(signal, 'abort'), end).toEqual([])
  }
})

it('a signal ends its own reader at once, also one that waits', async () => {
  const stop = new AbortController()
  const recording = createRecording<string, number>()
  const [stopped, other] = [recording.stream(stop.signal).getReader(), recording.stream().getReader()]
  const waiting = stopped.read()
  await new Promise((resolve) => setImmediate(resolve))
  stop.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  recording.push(1)
  recording.end()
  expect([await other.read(), await other.read()]).toEqual([
    { done: false, value: 1 },
    { done: true, value: undefined },
  ])
})
