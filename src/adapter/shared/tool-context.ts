import type { ToolContext } from '../../contract/index.ts'

const contexts = new WeakMap<object, ToolContext>()

/** From now on {@link toolContext} of what the framework hands to the tool is `context`. */
export function bindContext<Given extends object>(given: Given, context: ToolContext): Given {
  contexts.set(given, context)
  contexts.set(context.signal, context)
  return given
}

/**
 * The context of the protected call that a tool is executing, by the object that the framework hands it beside its
 * input: keys for the downstream, `checkpoint()`, a `fetch` that carries the key. Undefined in an unprotected call.
 */
export function toolContext(given: unknown): ToolContext | undefined {
  if (typeof given !== 'object' || given === null) return undefined
  // A framework may hand a copy on; the attempt's own signal is in it all the same.
  const { signal, abortSignal } = given as { readonly signal?: unknown; readonly abortSignal?: unknown }
  return [given, signal, abortSignal].map(found).find((context) => context !== undefined)
}

const found = (given: unknown): ToolContext | undefined =>
  typeof given === 'object' && given !== null ? contexts.get(given) : undefined
