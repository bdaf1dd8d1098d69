import { encode } from '../../engine/index.ts'
import { canonicalizeJson, fingerprintText } from '../../key/index.ts'

const MOST_BYTES = 256 * 2 ** 20

/** What a message carries that is new each time the same thing is said: ids, and what the provider tells beside it. */
const NOT_SAID = ['id', 'tool_call_id', 'additional_kwargs', 'response_metadata', 'usage_metadata']

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/**
 * A graph's state by its channels, each as a hash: equal for a run that is tried again, though LangChain gives its messages
 * new ids. A channel that no text can hold (functions, open connections) is left out.
 */
export function stateHashes(state: unknown): Readonly<Record<string, string>> {
  const channels = isObject(state) && !Array.isArray(state) ? Object.entries(state) : [['state', state] as const]
  return Object.fromEntries(
    channels.flatMap(([name, value]) => {
      const hash = value === undefined ? undefined : hashOf(value)
      return hash === undefined ? [] : [[name, hash]]
    }),
  )
}

function hashOf(value: unknown): string | undefined {
  let said: string
  try {
    said = JSON.stringify(JSON.parse(encode(value), withoutIds))
  } catch {
    return undefined
  }
  return fingerprintText(canonical(said))
}

/** The same text for equal values; one that is too deep for the canonical form stands for itself. */
function canonical(text: string): string {
  try {
    return canonicalizeJson(text, { maxBytes: MOST_BYTES })
  } catch {
    return text
  }
}

/** A reviver: a message is kept as LangChain's serialized form of it, `{ lc, type, id, kwargs }`. */
function withoutIds(this: unknown, name: string, value: unknown): unknown {
  if (name !== 'kwargs' || !isObject(value) || !isObject(this) || this['lc'] !== 1) return value
  const kwargs = Object.fromEntries(Object.entries(value).filter(([field]) => !NOT_SAID.includes(field)))
  const { tool_calls: calls } = kwargs
  if (!Array.isArray(calls)) return kwargs
  return { ...kwargs, tool_calls: calls.map((call) => (isObject(call) ? { ...call, id: null } : (call as unknown))) }
}
