import { anySchema, defineContract, manual, type AnyToolOptions, type ToolContext } from '../../contract/index.ts'
import type { Guard, Outcome } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'

interface Inside {
  readonly guard: Guard
  readonly context: ToolContext
}

const contexts = new WeakMap<object, Inside>()

/** Binds what a handler is given to the attempt that it runs for. */
export function bindContext(extra: object, guard: Guard, context: ToolContext): void {
  contexts.set(extra, { guard, context })
}

function insideOf(extra: object): Inside {
  const inside = contexts.get(extra)
  if (inside !== undefined) return inside
  throw new OnefoldError(
    'CONTRACT_INVALID',
    'This handler does not run for a protected write: pass the `extra` (or `ctx`) that it was given, and see that protectServer came before its registration and that its contract is not a read. Nothing was done.',
  )
}

/**
 * The attempt that a handler runs for: `fetch` that carries the key, `downstreamKey`, `checkpoint`, `signal`, `run`.
 * @param extra what the SDK gave the handler as its last argument
 * @throws OnefoldError CONTRACT_INVALID outside a protected write
 */
export const toolContext = (extra: object): ToolContext => insideOf(extra).context

/**
 * One step of a handler that happens once, also where the handler is run from its first line again: in every round of
 * questions (MCP `input_required`) and in every recovery. Its value is recorded, and told again in the next round.
 * @param name tells the steps of one handler apart
 * @throws OnefoldError IN_DOUBT when an earlier run of the step may have happened; RESULT_EXPIRED when it was done and its
 * value was not kept; CONTRACT_INVALID outside a protected write
 */
export async function step<T>(extra: object, name: string, work: (context: ToolContext) => Promise<T> | T): Promise<T> {
  const { guard, context } = insideOf(extra)
  const outcome = await guard.internals.perform(
    stepContract,
    { operation: context.key, step: name },
    { execute: (_input, inner) => work(inner) },
  )
  // oxlint-disable-next-line typescript/only-throw-error -- as the step threw it
  if (outcome.error !== undefined) throw outcome.error
  // Undefined would be taken for what the step gave.
  if (outcome.missing !== undefined) throw withoutValue(name, outcome)
  return outcome.value as T
}

const withoutValue = (name: string, { missing, key, ticket }: Outcome): OnefoldError =>
  new OnefoldError(
    'RESULT_EXPIRED',
    `Step ${name} was done, but its value is missing: ${missing}. It was not done again, and what follows it was not begun; let a step return plain data.`,
    { effect: 'done', key, ticket },
  )

const stepContract = defineContract({
  name: 'mcp:step',
  input: anySchema,
  effect: 'write',
  identity: 'all',
  recovery: manual(),
  execute: () => undefined,
} as unknown as AnyToolOptions)
