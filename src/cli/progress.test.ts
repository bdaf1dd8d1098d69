import { expect, it } from 'vitest'
import { EXIT, exitCodeOf } from './exit-code.ts'
import { progressOf, withCancel } from './progress.ts'

it('a signal aborts between two steps, and nothing is left listening', async () => {
  const before = process.listenerCount('SIGINT')
  let steps = 0
  const work = withCancel(async (signal) => {
    for (;;) {
      signal.throwIfAborted()
      steps += 1
      if (steps === 3) process.emit('SIGINT')
      await Promise.resolve()
    }
  })
  const error = await work.catch((thrown: unknown) => thrown)
  expect(steps).toBe(3)
  expect(exitCodeOf(error)).toBe(EXIT.interrupted)
  expect(process.listenerCount('SIGINT')).toBe(before)
})

it('shows nothing where nobody watches', () => {
  const written: unknown[] = []
  const { write } = process.stderr
  process.stderr.write = ((text: unknown) => written.push(text) > 0) as never
  try {
    const progress = progressOf('looked at')
    progress.at(1)
    progress.done()
  } finally {
    process.stderr.write = write
  }
  expect(written).toEqual([])
})
