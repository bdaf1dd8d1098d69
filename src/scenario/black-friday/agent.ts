import { newMind, nextTurn, type ModelRead } from './model.ts'
import type { Order } from './orders.ts'
import type { Tools } from './tools.ts'

/** One attempt at one order. `think` is the model's own time, and to be awaited before each of its turns. */
export interface Attempt {
  readonly order: Order
  readonly attempt: number
  readonly seed: number
  readonly tools: Tools
  readonly think: () => Promise<void>
}

/** Works one order off with its tools. */
export type Agent = (attempt: Attempt) => Promise<void>

/** The scripted model in a loop of our own. */
export const agent: Agent = async ({ order, attempt, seed, tools, think }) => {
  const mind = newMind(seed, order, attempt)
  let read: readonly ModelRead[] = []
  for (;;) {
    await think()
    const calls = nextTurn(mind, read)
    if (calls === undefined) return
    read = await Promise.all(
      calls.map(async ({ name, input }) => ({
        name,
        error: await tools[name](input).then(
          () => undefined,
          (error: unknown) => (error instanceof Error ? error.message : 'failed'),
        ),
      })),
    )
  }
}
