import { expect, it } from 'vitest'
import { isOnefoldError } from '../../src/error/index.ts'
import { manual } from '../../src/contract/index.ts'
import { startDownstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { orderTool, place } from '../support/order-tool.ts'

it('a result that cannot be stored is an alarm at its first call, not a surprise at the repeat', async () => {
  const downstream = await startDownstream()
  const guard = testGuard()
  const alarms: string[] = []
  guard.on('alarm', ({ message }) => alarms.push(message))
  const tool = orderTool(guard, downstream, {
    recovery: manual(),
    execute: async (input, context) => {
      await place(downstream, input, context.fetch)
      return new Response('ok') as never
    },
  })
  await tool({ ref: 'unkept' })
  expect(alarms).toEqual([expect.stringContaining('could not be stored')])
  const repeat: unknown = await tool({ ref: 'unkept' }).catch((error: unknown) => error)
  expect(isOnefoldError(repeat) && [repeat.code, repeat.effect]).toEqual(['RESULT_EXPIRED', 'done'])
  expect(await downstream.effects('unkept')).toBe(1)
  await guard.close()
  await downstream.close()
})
