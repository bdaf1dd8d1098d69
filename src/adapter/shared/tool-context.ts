import type { ToolContext } from '../../contract/index.ts'

const contexts = new WeakMap<object, ToolContext>()

/** From now on {@link toolContext} of what the framework hands to the tool is `context`. */
export function bindContext<Given extends object>(given: Given, context: ToolContext): Given {
  contexts.set(given, context)
  return given
}

/**
 * The context of the protected call that a tool is executing, by the object that the framework hands it beside its
 * input: keys for the downstream, `checkpoint()`, a `fetch` that carries the key. Undefined in an unprotected call.
 */
export function toolContext(given: unknown): ToolContext | undefined {
  return typeof given === 'object' && given !== null ? contexts.get(given) : undefined
}
