import { after, before, it } from 'node:test'
import { keyed, manual } from 'onefold'
import { verifyTool } from 'onefold/testing'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { orderTool } from '../support/order-tool.ts'

let downstream: Downstream

before(async () => {
  downstream = await startDownstream()
})
after(async () => await downstream.close())

for (const recovery of [keyed('24h'), manual()]) {
  void it(`a ${recovery.class} tool is safe to retry`, async () => {
    const tool = orderTool(testGuard(), downstream, { recovery })
    await verifyTool(tool, { input: (unique) => ({ ref: unique }), state: ({ ref }) => downstream.effects(ref) })
  })
}
