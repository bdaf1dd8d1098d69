import { tool } from '@langchain/core/tools'
import * as z from 'zod'
import { protectTools } from '../../../src/adapter/langchain/index.ts'
import type { World } from '../support/scenario.ts'

/** The user's own tool, as it was before Onefold; protected where the world has a guard. */
export function chargeTool({ guard, contract, charge }: World, timeoutMs = 60_000) {
  const own = tool(
    async (input: { order: string; amount: number }) =>
      JSON.stringify(await charge(input, { signal: AbortSignal.timeout(timeoutMs) })),
    { name: 'charge', description: 'Charges an order', schema: z.object({ order: z.string(), amount: z.number() }) },
  )
  if (guard === undefined) return own
  return protectTools(guard, [own], { charge: contract }, { warn: () => {} })[0]
}
