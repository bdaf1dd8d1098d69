import type { ToolContext } from '../../contract/index.ts'
import { AnsweredError, operationOf, type Guard } from '../../engine/index.ts'
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
  type Declaration,
  type GuardedTool,
  type Told,
} from '../shared/index.ts'
import { withNotes } from './notes.ts'
import { streamed } from './streamed.ts'

/* oxlint-disable typescript/no-explicit-any -- the types of two majors of `ai` are matched by their shape alone */
type ExecuteOf<Tool> = Tool extends { readonly execute?: infer Execute } ? NonNullable<Execute> : never
type InputOf<Tool> = ExecuteOf<Tool> extends (input: infer Input, ...rest: any) => unknown ? Input : never
type Settled<Result> =
  Result extends AsyncIterable<infer Output> ? Output : Result extends PromiseLike<infer Output> ? Output : Result
type OutputOf<Tool> = ExecuteOf<Tool> extends (...all: any) => infer Result ? Settled<Result> : never
/* oxlint-enable typescript/no-explicit-any */

/** A contract for each tool that has one; fields are checked against the tool's own input. */
export type ToolContracts<Tools> = {
  readonly [Name in keyof Tools]?: Declaration<InputOf<Tools[Name]>, OutputOf<Tools[Name]>>
}

/** What both majors hand to `execute` beside the input, as far as it is looked at here. */
interface CallOptions {
  readonly toolCallId?: string
  readonly messages?: readonly unknown[]
  readonly abortSignal?: AbortSignal | undefined
}

type Execute = (input: unknown, options: CallOptions) => unknown

interface AnyTool {
  readonly description?: unknown
  readonly inputSchema?: unknown
  readonly execute?: Execute
  readonly toModelOutput?: unknown
}

/**
 * The same tool set, each effect guarded: same names, same types, same results and errors. Tools without `execute` (the
 * client's and the provider's) and reads are handed back as they are. A tool without a contract is guarded by all of
 * its arguments and reported once.
 * @throws OnefoldError CONTRACT_INVALID naming what is wrong and the fix
 */
export function protectTools<Tools extends object>(
  guard: Guard,
  tools: Tools,
  contracts: ToolContracts<Tools> = {},
  options: AdapterOptions = {},
): Tools {
  const isSet = typeof (tools as unknown) === 'object' && (tools as unknown) !== null
  assertGiven('protectTools', isSet, 'a set of tools, { name: tool(…) }, as its second argument', tools)
  const own = tools as Readonly<Record<string, AnyTool>>
  const runnable = Object.keys(own).flatMap((name) => {
    const { execute } = own[name] ?? {}
    return execute === undefined || isLeftAlone(execute, name, contracts) ? [] : [[name, execute] as const]
  })
  const adapted = runnable.map(([name, execute]): AdaptedTool => {
    const { description, inputSchema } = own[name] as AnyTool
    return {
      name,
      description: typeof description === 'string' ? description : undefined,
      jsonSchema: jsonSchemaFrom(inputSchema),
      maker: execute,
      again: (input, context) => settle(execute.call(own[name], input, handedTo({ messages: [] }, context))),
    }
  })
  const at = { door: 'onefold/ai-sdk', how: 'protectTools(guard, tools' }
  const guarded = guardTools(guard, at, adapted, contracts as Contracts, options)
  const result = Object.create(
    Object.getPrototypeOf(tools) as object | null,
    Object.getOwnPropertyDescriptors(tools),
  ) as Record<string, AnyTool>
  for (const [name, execute] of runnable) {
    const plan = guarded.get(name)
    if (plan === undefined || plan.kind === 'read') continue
    result[name] = guardedTool(own[name] as AnyTool, execute, plan)
  }
  return result as Tools
}

function guardedTool(tool: AnyTool, execute: Execute, plan: GuardedTool): AnyTool {
  const notes = withNotes(tool)
  const call = async (input: unknown, options: CallOptions, run: (given: CallOptions) => unknown): Promise<Told> => {
    const told = await plan.call(input, {
      callId: options.toolCallId,
      signal: options.abortSignal,
      seen: callIdsIn(options.messages),
      execute: (context) => run(handedTo(options, context)),
    })
    if (options.toolCallId !== undefined) notes.add(options.toolCallId, plan.note(told))
    return told
  }
  const plain: Execute = async (input, options) =>
    (await call(input, options, (given) => settle(execute.call(tool, input, given)))).value
  const stream: Execute = (input, options) =>
    streamed((yielded) =>
      call(input, options, (given) => settle(execute.call(tool, input, given), yielded)).then(({ value }) => value),
    )
  // Which of the two it is has to be known before the tool is called: `ai` looks at what `execute` returns at once.
  const isGenerator = Object.prototype.toString.call(execute) === '[object AsyncGeneratorFunction]'
  return Object.create(Object.getPrototypeOf(tool) as object | null, {
    ...Object.getOwnPropertyDescriptors(tool),
    ...property('execute', markGuarded(isGenerator ? stream : plain)),
    ...(plan.mayNote ? property('toModelOutput', notes.toModelOutput) : {}),
  }) as AnyTool
}

const property = (name: string, value: unknown): PropertyDescriptorMap => ({
  [name]: { value, enumerable: true, configurable: true, writable: true },
})

/** What the tool is handed: the framework's options with the attempt's signal, since a caller who leaves ends no effect. */
const handedTo = (options: CallOptions, context: ToolContext): CallOptions =>
  bindContext({ toolCallId: operationOf(context), ...options, abortSignal: context.signal }, context)

/** A tool's result, at the last of what it yields. @throws AnsweredError for an MCP result that says it is an error */
async function settle(returned: unknown, yielded: (value: unknown) => void = () => {}): Promise<unknown> {
  let result: unknown
  if (isAsyncIterable(returned)) {
    for await (const value of returned) {
      result = value
      yielded(value)
    }
  } else result = await returned
  if (isErrorResult(result)) throw new AnsweredError('the tool answered an error', result)
  return result
}

const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value

/** An error that an MCP server answered: @ai-sdk/mcp returns it as the tool's result. */
const isErrorResult = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && (value as { isError?: unknown }).isError === true && 'content' in value

/** The calls whose results a model request holds. */
export function callIdsIn(messages: readonly unknown[] = []): readonly string[] {
  return messages.flatMap((message) => {
    const { role, content } = message as { readonly role?: unknown; readonly content?: unknown }
    if (role !== 'tool' || !Array.isArray(content)) return []
    return (content as { readonly type?: unknown; readonly toolCallId?: unknown }[]).flatMap(({ type, toolCallId }) =>
      type === 'tool-result' && typeof toolCallId === 'string' ? [toolCallId] : [],
    )
  })
}
