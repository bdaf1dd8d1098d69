/**
 * What a LangChain tool or a LangGraph node hands back that is no plain data: a ToolMessage, a Command. Both are told by
 * what they carry (`lc_direct_tool_output`, `lg_name`), as LangChain itself tells them, so nothing is imported.
 */

/** A ToolMessage (@langchain/core messages/tool.ts). */
export interface ToolMessageLike {
  readonly lc_direct_tool_output: true
  readonly type: 'tool'
  readonly content: unknown
  status?: string | undefined
  readonly tool_call_id: string
  readonly [field: string]: unknown
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

export const isToolMessage = (value: unknown): value is ToolMessageLike =>
  isObject(value) && value['lc_direct_tool_output'] === true && value['type'] === 'tool'

const MESSAGE = '$onefold.message'
/** What a message says; its id is left out, since a graph takes two messages of one id for one. */
const SAID = ['content', 'artifact', 'status', 'name', 'metadata', 'additional_kwargs', 'response_metadata']

/** The storable form of a ToolMessage. */
export const packMessage = (message: ToolMessageLike): object => ({
  [MESSAGE]: Object.fromEntries([...SAID, 'tool_call_id'].map((field) => [field, message[field]])),
})

/** The fields of a packed ToolMessage; undefined for anything else. */
export const packedMessage = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  isObject(value) && Object.hasOwn(value, MESSAGE) ? (value[MESSAGE] as Record<string, unknown>) : undefined

interface Packet {
  readonly node: unknown
  readonly args: unknown
}

/** A Command (@langchain/langgraph constants.ts): where to go next, and what to change in the state. */
interface CommandLike {
  readonly lg_name: 'Command'
  readonly graph?: unknown
  readonly update?: unknown
  readonly resume?: unknown
  readonly goto?: string | Packet | readonly (string | Packet)[]
}

const isCommand = (value: unknown): value is CommandLike => isObject(value) && value['lg_name'] === 'Command'

const PACKED = '$onefold.command'
/** Around what says by itself what only we say: a tool may hand on text that others wrote. */
const AS_IS = '$onefold.value'

/** The storable form of what a node returned; anything but a Command is given back as it is. */
export function packCommand(value: unknown): unknown {
  if (!isCommand(value))
    return isObject(value) && Object.keys(value).some((name) => name.startsWith('$onefold.'))
      ? { [AS_IS]: value }
      : value
  const { graph, update, resume, goto } = value
  const packets = goto === undefined || Array.isArray(goto) ? goto : [goto as string | Packet]
  const plain = (packets as readonly (string | Packet)[] | undefined)?.map((to) =>
    typeof to === 'string' ? to : { node: to.node, args: to.args },
  )
  return { [PACKED]: { graph, update, resume, goto: plain } }
}

/** Gives a stored Command back as one, `fresh` (from this very execution) where there is one. */
export function unpackCommand(value: unknown): unknown {
  if (isObject(value) && Object.hasOwn(value, AS_IS)) return value[AS_IS]
  if (!isObject(value) || !Object.hasOwn(value, PACKED)) return value
  const { graph, update, resume, goto } = value[PACKED] as Omit<CommandLike, 'lg_name'>
  return Object.assign(Object.create(replayedCommand) as object, { graph, update, resume, goto: goto ?? [] })
}

/** LangGraph takes for a Command what says so and is no plain object, and asks it for its changes by this method. */
const replayedCommand = {
  lg_name: 'Command',
  lc_direct_tool_output: true,
  _updateAsTuples(this: { readonly update?: unknown }): readonly unknown[] {
    const { update } = this
    if (isObject(update) && !Array.isArray(update)) return Object.entries(update)
    const isTuples =
      Array.isArray(update) &&
      update.every((pair) => Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string')
    return isTuples ? (update as readonly unknown[]) : [['__root__', update]]
  },
}
