import { createTool } from '@mastra/core/tools'
import { tool } from '@openai/agents'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { protectTool as protectMastra, toMastra } from '../../src/adapter/mastra/index.ts'
import {
  protectMcpServer,
  protectTool as protectOpenAi,
  toOpenAiAgents,
} from '../../src/adapter/openai-agents/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { manual } from '../../src/index.ts'
import { testGuard } from '../support/guard.ts'

const server = { name: 'crm', callTool: () => Promise.resolve([]) }

type Protect = (guard: Guard, given: never, contracts?: object, options?: object) => unknown

/** Doors that meet their tools one by one: what is wrong shows before the first of them is built or called. */
const DOORS: readonly (readonly [name: string, protect: Protect, given: unknown])[] = [
  ['protectTool of Mastra', protectMastra as Protect, createTool],
  ['protectTool of OpenAI Agents', protectOpenAi as Protect, tool],
  ['protectMcpServer of OpenAI Agents', protectMcpServer as Protect, server],
]

describe.each(DOORS)('%s', (_name, protect, given) => {
  const call = (guard: unknown, contracts?: unknown, options?: object) => () =>
    protect(guard as Guard, given as never, contracts as object, options)

  it.each([
    ['no guard', call(undefined), /takes the guard, onefold\(…\), as its first argument; it was given undefined/],
    ['no contracts', call(testGuard(), null), /takes contracts by the names of tools, { … }; it was given null/],
    ['a list', call(testGuard(), [{ name: 'pay' }]), /takes contracts by the names of tools.*given a list/],
    ['a Map', call(testGuard(), new Map([['pay', 'read']])), /takes contracts by the names of tools/],
    ['a misspelt option', call(testGuard(), {}, { form: 'crm' }), /has no option "form". Did you mean from\?/],
  ])('says at once that it was given %s', (_what, protecting, told) => {
    expect(protecting).toThrow(told)
  })

  it('refuses what is protected already: inside itself a call is refused, and in doubt about nothing', () => {
    const once = protect(testGuard(), given as never)
    expect(() => protect(testGuard(), once as never)).toThrow(/not yet protected, as its second argument/)
  })
})

const options = { id: 'pay', name: 'pay', description: 'p', inputSchema: z.object({ order: z.string() }) }
const execute = (): Promise<string> => Promise.resolve('paid')

it('a tool that a protected factory has built is refused by one', () => {
  const make = protectMastra(testGuard(), createTool, { pay: { identity: ['order'], recovery: manual() } })
  const built = make({ ...options, execute })
  expect(() => make(built as never)).toThrow(/given pay, which is protected already/)
})

it('a tool of guard.tool is made by the framework’s own factory, not by a protected one', () => {
  const guard = testGuard()
  const pay = guard.tool({
    name: 'pay',
    input: options.inputSchema,
    effect: 'write',
    identity: ['order'],
    recovery: manual(),
    execute,
  })
  expect(() => toMastra(pay, protectMastra(guard, createTool))).toThrow(/the framework's own factory/)
  expect(() => toOpenAiAgents(pay as never, protectOpenAi(guard, tool))).toThrow(/the framework's own factory/)
})

it.each(['constructor', 'toString', '__proto__'])(
  'a tool that is called %s has the contract that it was given',
  (id) => {
    const warned: string[] = []
    protectMastra(testGuard(), createTool, {}, { warn: (text) => void warned.push(text) })({ ...options, id, execute })
    expect(warned.join('')).toContain(`no contract for ${id}`)
  },
)

it('options that are missing are named', () => {
  const make = protectOpenAi(testGuard(), tool) as unknown as (given?: object) => unknown
  expect(() => make({ name: 'pay', description: 'p' })).toThrow(/takes the options of a tool, { name, execute, … }/)
  expect(() => (protectMastra(testGuard(), createTool) as unknown as () => unknown)()).toThrow(/takes the options of a/)
})
