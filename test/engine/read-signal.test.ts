import { getEventListeners } from 'node:events'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { testGuard } from '../support/guard.ts'

it('a read leaves nothing on a signal that outlives it, and is not made once that is aborted', async () => {
  const guard = testGuard()
  let reads = 0
  const look = guard.tool({
    name: 'look',
    input: z.object({ id: z.string() }),
    effect: 'read',
    execute: (_input, { signal }) => {
      reads += 1
      return signal.aborted
    },
  })
  const controller = new AbortController()
  const { signal } = controller
  expect(await look({ id: '1' }, { signal })).toBe(false)
  expect(getEventListeners(signal, 'abort')).toEqual([])
  controller.abort()
  const error: unknown = await look({ id: '1' }, { signal }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'CANCELLED', effect: 'none' })
  expect(reads).toBe(1)
  await guard.close()
})
