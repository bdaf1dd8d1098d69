import { OnefoldError } from '../../error/index.ts'

/**
 * Checks an argument where plain JavaScript may hand over anything: what is wrong is said where it is written, and not by
 * the first line that stumbles over it.
 * @param takes what the door takes there, and how it is written
 * @throws OnefoldError CONFIG_INVALID
 */
export function assertGiven(door: string, isRight: boolean, takes: string, given: unknown): void {
  if (isRight) return
  const what = given === null ? 'null' : Array.isArray(given) ? 'a list' : typeof given
  throw new OnefoldError('CONFIG_INVALID', `${door} takes ${takes}; it was given ${what}. Nothing was protected.`)
}

export const isGuard = (given: unknown): boolean =>
  typeof given === 'object' && given !== null && 'internals' in given && 'ledger' in given

const guarded = new WeakSet<object>()

/** Remembers what a door has made of a tool: the function that acts once, which also a copy of the tool carries. */
export function markGuarded<Made extends object>(made: Made): Made {
  guarded.add(made)
  return made
}

export const isGuarded = (own: unknown): boolean =>
  (typeof own === 'function' || (typeof own === 'object' && own !== null)) && guarded.has(own)

/** True for a tool that is handed back as it is: protected already, and nothing else is said of it here. */
export const isLeftAlone = (own: unknown, name: string, contracts: object): boolean =>
  isGuarded(own) && !Object.hasOwn(contracts, name)

/**
 * Inside itself a call of the same operation would be refused each time, and the outer one be in doubt about nothing.
 * @throws OnefoldError CONTRACT_INVALID for a tool that is protected already and is given another contract
 */
export function assertUnguarded(door: string, name: string, own: unknown): void {
  if (!isGuarded(own)) return
  throw new OnefoldError(
    'CONTRACT_INVALID',
    `${door} was given ${name}, which is protected already, with a contract: one of the two would never count. Protect each tool once, and leave its contract out where it comes in again. Nothing was protected.`,
    { details: { contract: name } },
  )
}

const FACTORIES = {
  toLangChain: 'tool of @langchain/core/tools',
  toOpenAiAgents: 'tool of @openai/agents',
  toMastra: 'createTool of @mastra/core/tools',
} as const

/** @throws OnefoldError CONFIG_INVALID for what is no factory of the framework's tools */
export const assertFactory = (door: keyof typeof FACTORIES, factory: unknown): void =>
  assertGiven(
    door,
    typeof factory === 'function' && !isGuarded(factory),
    `the framework's own factory as its second argument, ${FACTORIES[door]}`,
    factory,
  )
