import {
  defineContract,
  manual,
  nearest,
  type AnyToolOptions,
  type Contract,
  type StandardSchemaV1,
  type WriteOptions,
} from '../../contract/index.ts'
import { OnefoldError } from '../../error/index.ts'
import type { AdaptedTool } from './guard-tools.ts'

type Options<Input, Output> = WriteOptions<StandardSchemaV1<unknown, Input>, Output>

/** What a write declares beside its framework's tool, which already says name, schema and handler. */
export type WriteDeclaration<Input, Output> = Omit<
  Options<Input, Output>,
  'name' | 'description' | 'input' | 'effect' | 'execute'
> & {
  /** Name in the ledger. @default the tool's name */
  readonly name?: string
  readonly effect?: 'write'
}

/** The contract of one tool of a framework. */
// oxlint-disable-next-line typescript/no-explicit-any -- the fields are checked where the framework's types are known
export type Declaration<Input = any, Output = any> = 'read' | WriteDeclaration<Input, Output>

/** Contracts by the names of tools. */
export type Contracts = Readonly<Record<string, Declaration | undefined>>

/**
 * The contract of a tool whose framework has validated its input. Its `execute` is for recoveries: frozen input, no
 * caller. @throws OnefoldError CONTRACT_INVALID naming what is wrong and the fix
 */
export function declaredContract(tool: AdaptedTool, declared: Exclude<Declaration, 'read'>): Contract {
  if (typeof (declared as unknown) !== 'object')
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `The contract of ${tool.name} cannot be ${JSON.stringify(declared)}. Write 'read', or { identity, recovery }. Nothing was registered.`,
    )
  for (const word of OF_THE_TOOL) if (word in declared) throw ofTheTool(tool.name, word)
  if ((declared.effect as unknown) !== undefined && declared.effect !== 'write')
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `The contract of ${tool.name} says the effect ${JSON.stringify(declared.effect)}. Write ${tool.name}: 'read' for a tool that changes nothing, else leave it out. Nothing was registered.`,
    )
  const { name = tool.ledgerName ?? tool.name, ...rest } = declared
  return defineContract({
    ...rest,
    name,
    ...(tool.description === undefined ? {} : { description: tool.description }),
    effect: 'write',
    input: validated(tool.jsonSchema),
    execute: tool.again,
  } as unknown as AnyToolOptions)
}

/** What a contract cannot change: the framework's tool has it, and would go on with its own. */
const OF_THE_TOOL = ['input', 'execute']

const ofTheTool = (name: string, word: string): OnefoldError =>
  new OnefoldError(
    'CONTRACT_INVALID',
    `The contract of ${name} has ${word}, which its framework's tool has already; this one would never be used. Leave it out, or declare the whole tool with guard.tool. Nothing was registered.`,
    { details: { contract: name, name: word } },
  )

/** Contracts of a tool that nobody has declared: every argument identifies, within the run or else the guard. */
export function undeclaredContract(tool: AdaptedTool, scope: 'run' | 'tenant'): Contract {
  return defineContract({
    name: tool.ledgerName ?? tool.name,
    effect: 'write',
    input: validated(undefined),
    identity: 'all',
    scope,
    recovery: manual(),
    execute: () => {
      throw new Error('undeclared tools are never run again')
    },
  } as unknown as AnyToolOptions)
}

/** @throws OnefoldError CONTRACT_INVALID for a contract that no tool has */
export function assertKnown(door: string, names: readonly string[], contracts: Contracts): void {
  for (const name of Object.keys(contracts)) {
    if (names.includes(name)) continue
    const meant = nearest(name, names)
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `${door} was given a contract for ${name}, but there is no such tool${meant === undefined ? '' : `; ${meant} is meant`}. Nothing was protected; the tools are ${names.join(', ') || 'none'}.`,
      { details: { contract: name, tools: names } },
    )
  }
}

/** A schema that takes what the framework has validated, and still tells its fields to the checks of the contract. */
function validated(jsonSchema: unknown): StandardSchemaV1 {
  const standard = {
    version: 1 as const,
    vendor: 'onefold',
    validate: (value: unknown) => ({ value }),
    ...(jsonSchema === undefined ? {} : { jsonSchema: { output: () => jsonSchema } }),
  }
  return { '~standard': standard }
}
