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

const saidBy = (message: ToolMessageLike): object =>
  Object.fromEntries([...SAID, 'tool_call_id'].map((field) => [field, message[field]]))

/** The storable form of a ToolMessage. */
export const packMessage = (message: ToolMessageLike): object => ({ [MESSAGE]: saidBy(message) })

/** The same message of its own class, with some fields replaced; without an id, unless it is one of them. */
export function withSaid(message: ToolMessageLike, fields: Readonly<Record<string, unknown>>): unknown {
  const { constructor: Message } = message as unknown as { constructor: new (fields: object) => unknown }
  return new Message({ ...saidBy(message), ...fields })
}

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

export const isCommand = (value: unknown): value is CommandLike => isObject(value) && value['lg_name'] === 'Command'

const PACKED = '$onefold.command'
/** Around what says by itself what only we say: a tool may hand on text that others wrote. */
const AS_IS = '$onefold.value'

/**
 * The storable form of what a node or a tool returned; anything but a Command is given back as it is.
 * @param call the tool call that it answers, where it answers one
 */
export function packCommand(value: unknown, call?: string): unknown {
  if (!isCommand(value))
    return isObject(value) && Object.keys(value).some((name) => name.startsWith('$onefold.'))
      ? { [AS_IS]: value }
      : value
  const { graph, update, resume, goto } = value
  const packets = goto === undefined || Array.isArray(goto) ? goto : [goto as string | Packet]
  const plain = (packets as readonly (string | Packet)[] | undefined)?.map((to) =>
    typeof to === 'string' ? to : { node: to.node, args: to.args },
  )
  return { [PACKED]: { graph, update, resume, goto: plain, ...(call === undefined ? {} : { call }) } }
}

/**
 * Gives a stored Command back as one.
 * @param call the tool call that asks: its answer stands in the update, under the name of the call that was executed
 */
export function unpackCommand(value: unknown, call?: string): unknown {
  if (isObject(value) && Object.hasOwn(value, AS_IS)) return value[AS_IS]
  if (!isObject(value) || !Object.hasOwn(value, PACKED)) return value
  const stored = value[PACKED] as Omit<CommandLike, 'lg_name'> & { readonly call?: string }
  const { graph, resume, goto, call: answered } = stored
  // Without its id: a graph takes two messages of one id for one.
  const update =
    call === undefined || call === answered
      ? stored.update
      : answersIn(stored.update, answered, (message) => answerOf(message, call))
  return Object.assign(Object.create(replayedCommand) as object, { graph, update, resume, goto: goto ?? [] })
}

/** The messages of an update that answer a call, each replaced: messages themselves, or as the ledger keeps them. */
export function answersIn(
  update: unknown,
  callId: string | undefined,
  replace: (message: Readonly<Record<string, unknown>>) => unknown,
): unknown {
  if (callId === undefined) return update
  const within = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(within)
    if (typeof value !== 'object' || value === null) return value
    const fields = value as Readonly<Record<string, unknown>>
    if (fields['tool_call_id'] === callId) return replace(fields)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return value
    return Object.fromEntries(Object.entries(fields).map(([name, inner]) => [name, within(inner)]))
  }
  return within(update)
}

/** Who joins the call that executes is given its very messages, a replay what the ledger keeps of them. */
function answerOf(message: Readonly<Record<string, unknown>>, call: string): unknown {
  if (isToolMessage(message)) return withSaid(message, { tool_call_id: call })
  const { id: _id, ...said } = message
  return { ...said, tool_call_id: call }
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
