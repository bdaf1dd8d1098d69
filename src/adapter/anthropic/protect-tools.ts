import type { ToolContext } from '../../contract/index.ts'
import { AnsweredError, type Guard } from '../../engine/index.ts'
import {
  assertGiven,
  bindContext,
  guardTools,
  isLeftAlone,
  jsonSchemaFrom,
  markGuarded,
  type AdaptedTool,
  type AdapterOptions,
  type Contracts,
  type GuardedTool,
  type Told,
} from '../shared/index.ts'
import { withNote } from './result.ts'

/** A runnable tool of the Messages API, or a tool of an SDK MCP server of the Claude Agent SDK. */
interface AnyTool {
  readonly name?: unknown
  readonly description?: unknown
  readonly input_schema?: unknown
  readonly inputSchema?: unknown
  readonly run?: (input: unknown, context?: Given) => unknown
  readonly handler?: (input: unknown, extra: Given) => unknown
}

/** What the two hand to a tool beside its input, as far as it is looked at here. */
interface Given {
  readonly toolUse?: { readonly id?: string }
  readonly signal?: AbortSignal | null | undefined
  readonly _meta?: Readonly<Record<string, unknown>>
}

/** The Claude Agent SDK's name of a call, in the `_meta` of its MCP request. */
const AGENT_CALL = 'claudecode/toolUseId'

/**
 * The same tools, each effect guarded: same order, same types, same results and errors. Server tools are handed back as
 * they are. Give `run` in the options wherever the runner may be iterated outside the callback of `guard.run`: it is lazy, and
 * loses the run otherwise.
 * @param contracts by the tools' names
 * @throws OnefoldError CONTRACT_INVALID naming what is wrong and the fix
 */
export function protectTools<Tools extends readonly object[]>(
  guard: Guard,
  tools: Tools,
  contracts: Contracts = {},
  options: AdapterOptions = {},
): Tools {
  assertGiven('protectTools', Array.isArray(tools), 'a list of tools as its second argument', tools)
  const own = tools as readonly AnyTool[]
  const adapted = own.flatMap((tool): AdaptedTool[] => {
    const method = methodOf(tool)
    if (method === undefined || typeof tool.name !== 'string') return []
    if (isLeftAlone(tool[method], tool.name, contracts)) return []
    return [
      {
        name: tool.name,
        description: typeof tool.description === 'string' ? tool.description : undefined,
        jsonSchema: jsonSchemaFrom(tool.input_schema) ?? shapeSchema(tool.inputSchema),
        maker: tool[method],
        again: (input, context) => settle(() => tool[method]?.(input, handedTo({}, context))),
      },
    ]
  })
  const at = { door: 'onefold/anthropic', how: 'protectTools(guard, tools' }
  const guarded = guardTools(guard, at, adapted, contracts, options)
  return own.map((tool) => {
    const method = methodOf(tool)
    const plan = typeof tool.name === 'string' ? guarded.get(tool.name) : undefined
    if (method === undefined || plan === undefined || plan.kind === 'read') return tool
    return guardedTool(tool, method, plan)
  }) as unknown as Tools
}

const methodOf = (tool: AnyTool): 'run' | 'handler' | undefined =>
  typeof tool.run === 'function' ? 'run' : typeof tool.handler === 'function' ? 'handler' : undefined

function guardedTool(tool: AnyTool, method: 'run' | 'handler', plan: GuardedTool): AnyTool {
  const call = async (input: unknown, given: Given = {}): Promise<unknown> => {
    const told = await plan.call(input, {
      callId: given.toolUse?.id ?? agentCallIn(given),
      signal: given.signal ?? undefined,
      execute: (context) => settle(() => tool[method]?.(input, handedTo(given, context))),
    })
    return withNote(valueOf(told), plan.note(told))
  }
  return Object.create(Object.getPrototypeOf(tool) as object | null, {
    ...Object.getOwnPropertyDescriptors(tool),
    [method]: { value: markGuarded(call), enumerable: true, configurable: true, writable: true },
  }) as AnyTool
}

function agentCallIn({ _meta }: Given): string | undefined {
  const id = _meta?.[AGENT_CALL]
  return typeof id === 'string' ? id : undefined
}

/** What the tool is handed: the SDK's own, with the attempt's signal, since a caller who leaves ends no effect. */
const handedTo = (given: Given, context: ToolContext): Given =>
  bindContext({ ...given, signal: context.signal }, context)

/** A tool's result. @throws AnsweredError for an MCP result that says it is an error, and for a `ToolError` */
async function settle(work: () => unknown): Promise<unknown> {
  let result: unknown
  try {
    result = await work()
  } catch (error) {
    if (error instanceof Error && error.constructor.name === 'ToolError')
      throw new AnsweredError('the tool answered an error', error)
    throw error
  }
  if ((result as { readonly isError?: unknown } | undefined)?.isError === true)
    throw new AnsweredError('the tool answered an error', result)
  return result
}

/** The tool's result; an error that the tool answered by throwing is thrown. */
function valueOf({ value }: Told): unknown {
  if (value instanceof Error) throw value
  return value
}

/** The Claude Agent SDK takes the fields of a zod object: their names are known, their types are not needed. */
function shapeSchema(shape: unknown): unknown {
  if (typeof shape !== 'object' || shape === null) return undefined
  return { type: 'object', properties: Object.fromEntries(Object.keys(shape).map((name) => [name, {}])) }
}
