import {
  anySchema,
  defineContract,
  ledgerName,
  manual,
  type AnyToolOptions,
  type Contract,
  type ContractDescription,
  type ErrorMapping,
  type ProbeContext,
  type Recovery,
  type StandardSchemaV1,
  type ToolContext,
  type WriteOptions,
} from '../../contract/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { resultOf, type StoredResult } from '../proxy/call-message.ts'
import { errorMappings, isAnswer, URL_ELICITATION_REQUIRED } from '../proxy/refusals.ts'
import type { UpstreamAnswer } from '../proxy/upstream.ts'

/** What a tool of an MCP server answers, as far as the ledger looks at it. */
export interface ToolResult {
  readonly content?: readonly unknown[]
  readonly structuredContent?: unknown
  readonly isError?: boolean | undefined
  readonly _meta?: Readonly<Record<string, unknown>> | undefined
  readonly [name: string]: unknown
}

type Options<Input> = WriteOptions<StandardSchemaV1<unknown, Input>, ToolResult>

/** What a write of an MCP server declares; the rest (name, schema, handler) the registration says already. */
export type WriteContract<Input> = Pick<
  Options<Input>,
  | 'version'
  | 'replaysFrom'
  | 'ignore'
  | 'retention'
  | 'retryHorizon'
  | 'recovery'
  | 'verify'
  | 'errors'
  | 'timeout'
  | 'sends'
  | 'exclusive'
  | 'notice'
  | 'occurrenceField'
  | 'amount'
> & {
  readonly effect?: 'write'
  /** Arguments, as they are sent, that make two calls the same operation. May be left out with `callerKey: 'required'`. */
  readonly identity?: Options<Input>['identity']
  /** Where identities are compared, always within one principal. @default 'tenant' */
  readonly scope?: 'tenant' | 'session' | 'run'
  /** `required`: a call without a key is refused, and the key is the identity. @default 'ignored' */
  readonly callerKey?: Options<Input>['callerKey']
}

// oxlint-disable-next-line typescript/no-explicit-any -- fields are checked where the contract is written, by `contract<Input>()`
export type ServerContract<Input = any> = 'read' | WriteContract<Input>

const CONTRACT_OF = Symbol('onefold contract')

/**
 * A contract beside the schema: `registerTool(name, { inputSchema, _meta: contract({ … }) }, handler)`. What clients see
 * in `_meta` is the contract's description, `io.onefold/contract`; without `protectServer` they see nothing.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
export function contract<Input = any>(declared: ServerContract<Input>): Record<string, unknown> {
  return { [CONTRACT_OF]: declared }
}

/** The contract in a registration's `_meta`, and the `_meta` without it. */
export function takeContract(meta: unknown): {
  readonly declared: ServerContract | undefined
  readonly meta: Record<string, unknown> | undefined
} {
  if (typeof meta !== 'object' || meta === null || !Object.hasOwn(meta, CONTRACT_OF))
    return { declared: undefined, meta: meta as Record<string, unknown> | undefined }
  const { [CONTRACT_OF]: declared, ...rest } = meta as { [CONTRACT_OF]: ServerContract }
  return { declared, meta: rest }
}

/** A tool's contract, and what clients are told of it. */
export interface ServerTool {
  readonly contract: Contract
  readonly description: ContractDescription
  readonly scope: 'tenant' | 'session' | 'run'
}

/** Runs the server's own handler for a recovery: frozen arguments, no caller. */
export type Again = (tool: string, input: unknown, context: ToolContext) => Promise<unknown>

/**
 * The contract of a registered write. Its engine scope is the session, which holds the principal: callers of one server
 * never meet.
 * @throws OnefoldError CONTRACT_INVALID naming what is wrong and the fix
 */
export function serverTool(
  server: string,
  tool: string,
  declared: Exclude<ServerContract, 'read'>,
  again: Again,
): ServerTool {
  const { scope = 'tenant', errors, recovery, verify, effect: _effect, ...rest } = declared
  if ((declared.identity as unknown) === 'sequence') {
    throw invalid(
      tool,
      'identity cannot be sequence: a server does not see the order of a run',
      "Write identity: 'all'",
    )
  }
  if (!['tenant', 'session', 'run'].includes(scope))
    throw invalid(tool, `scope cannot be ${String(scope)}`, "Write scope: 'tenant', 'session' or 'run'")
  const made = defineContract({
    ...rest,
    name: ledgerName(server, tool),
    effect: 'write',
    input: anySchema,
    scope: 'session',
    errors: mappings(tool, errors),
    recovery: recovery === undefined ? recovery : storing(recovery as Recovery),
    ...(verify === undefined
      ? {}
      : { verify: (outcome: unknown, context: ProbeContext) => verify(readResult(outcome), context) }),
    execute: (input: unknown, context: ToolContext) => again(tool, input, context),
  } as unknown as AnyToolOptions)
  return { contract: made, description: { ...made.describe(), scope }, scope }
}

/** A tool without a contract: every argument identifies, a person settles. */
export function undeclaredTool(server: string, tool: string): ServerTool {
  const never: Again = () => Promise.reject(new Error('undeclared tools are never run again'))
  return serverTool(server, tool, { identity: 'all', recovery: manual() }, never)
}

function mappings(tool: string, declared: readonly ErrorMapping[] = []): readonly ErrorMapping[] {
  const words = declared.filter(
    (one): one is ErrorMapping & { match: string | number } => typeof one.match !== 'function',
  )
  return [
    { match: isRefusedOutput, effect: 'done' },
    // Codes and statuses of what the handler threw; predicates see that, or the result that it answered.
    ...declared.map(({ match, effect }): ErrorMapping => ({
      match: typeof match !== 'function' ? match : (error) => match(isAnswer(error) ? JSON.parse(error.json) : error),
      effect,
    })),
    ...errorMappings(tool, words),
    { match: isThrownRefusal, effect: 'none' },
  ]
}

/** An answer of the SDK, which refuses the form of what the handler returned: the handler had ended well. */
export interface ToldAnswer extends UpstreamAnswer {
  readonly handlerReturned: boolean
}

const isRefusedOutput = (error: unknown): boolean => isAnswer(error) && (error as ToldAnswer).handlerReturned === true

/** JSON-RPC 2.0 section 5.1: thrown by a handler that refuses its arguments, or wants its user to go somewhere first. */
function isThrownRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  if (code === URL_ELICITATION_REQUIRED) return true
  return (code === -32601 || code === -32602) && !/output|structured content/i.test(error.message)
}

/** A recovery whose values are kept as the ledger keeps results. */
function storing(recovery: Recovery): Recovery {
  if (!('probe' in recovery) || recovery.probe === undefined) return recovery
  const ask = recovery.probe as (input: unknown, context: ProbeContext) => unknown
  return {
    ...recovery,
    probe: async (input: unknown, context: ProbeContext) => {
      const answer = (await ask(input, context)) as { readonly found: unknown; readonly value?: unknown }
      return answer.found === true ? { found: true, value: storedResult(answer.value) } : answer
    },
  } as unknown as Recovery
}

export const storedResult = (result: unknown): StoredResult => resultOf(JSON.stringify(result))

/** The result in a recorded value. */
export const readResult = (stored: unknown): ToolResult => JSON.parse((stored as StoredResult).mcpResult) as ToolResult

export const invalid = (tool: string, problem: string, fix: string): OnefoldError =>
  new OnefoldError('CONTRACT_INVALID', `${tool}: ${problem}. Nothing was registered. ${fix}.`, {
    details: { contract: tool, problem, fix },
  })
