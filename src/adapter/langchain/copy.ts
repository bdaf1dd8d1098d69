import { isToolMessage, type ToolMessageLike } from './direct.ts'
import type { Invokable } from './invokable.ts'

/** A ToolMessage of the tool's own LangChain, made by a copy of the tool that does nothing but answer. */
export async function messageOf(
  tool: Invokable,
  id: string | undefined,
  content: string,
  status: string,
): Promise<unknown> {
  const messenger = copyOf(tool, {
    schema: { type: 'object' },
    responseFormat: 'content',
    callbacks: undefined,
    defaultConfig: undefined,
    _call: async () => content,
  })
  const message = await messenger.invoke(
    { type: 'tool_call', id: id ?? '', name: tool.name, args: {} },
    {
      callbacks: [],
    },
  )
  if (isToolMessage(message)) (message as ToolMessageLike).status = status
  return message
}

/** A tool with some members replaced; a proxy would break what keeps private fields. */
export function copyOf<Tool extends object>(tool: Tool, members: object): Tool {
  const copy = Object.create(Object.getPrototypeOf(tool) as object, Object.getOwnPropertyDescriptors(tool)) as Tool
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(copy, name, {
      value,
      writable: true,
      configurable: true,
      enumerable: Object.hasOwn(tool, name),
    })
  }
  return copy
}
