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

const FACTORIES = {
  toLangChain: 'tool of @langchain/core/tools',
  toOpenAiAgents: 'tool of @openai/agents',
  toMastra: 'createTool of @mastra/core/tools',
} as const

/** @throws OnefoldError CONFIG_INVALID for what is no factory of the framework's tools */
export const assertFactory = (door: keyof typeof FACTORIES, factory: unknown): void =>
  assertGiven(
    door,
    typeof factory === 'function',
    `the framework's own factory as its second argument, ${FACTORIES[door]}`,
    factory,
  )
