import { describe } from 'vitest'
import * as z from 'zod'
import type { ToolSet } from 'ai'
import { protectTools } from '../../src/adapter/ai-sdk/index.ts'
import { MAJORS, outputOf, persistent, scriptedModel, type AiSdk } from './support/ai-sdk.ts'
import { beforeAndAfter, type Scenario, type World } from './support/scenario.ts'

const inputSchema = z.object({ order: z.string(), amount: z.number() })

/** The tool set of a scenario: unprotected in the control. */
function toolsOf({ ai }: AiSdk, world: World, timeoutMs?: number): ToolSet {
  const charge = ai.tool({
    description: 'charges a card',
    inputSchema,
    execute: async (input, { abortSignal }) =>
      await world.charge(input, {
        signal: timeoutMs === undefined ? (abortSignal ?? null) : AbortSignal.timeout(timeoutMs),
      }),
  })
  const tools = { charge }
  if (world.guard === undefined) return tools
  return protectTools(world.guard, tools, world.contract === undefined ? {} : { charge: world.contract }, {
    warn: () => {},
  })
}

function scenariosOf(sdk: AiSdk): readonly Scenario[] {
  const { ai } = sdk
  const stopWhen = ai.stepCountIs(5)
  const generate = async (world: World, more: Partial<Parameters<typeof ai.generateText>[0]> = {}): Promise<unknown> =>
    await ai.generateText({
      model: scriptedModel(sdk, persistent(world.input)).model,
      tools: toolsOf(sdk, world),
      stopWhen,
      prompt: 'charge the order',
      ...more,
    } as Parameters<typeof ai.generateText>[0])

  const both: readonly Scenario[] = [
    {
      title: 'the answer is lost and the model calls again',
      faults: ['lose-answer'],
      before: 2,
      act: (world) => world.run(() => generate(world)),
    },
    {
      title: 'the tool gives up before the answer comes',
      faults: ['stall:400'],
      before: 2,
      act: (world) => world.run(() => generate(world, { tools: toolsOf(sdk, world, 80) })),
    },
    {
      title: 'a whole run is tried again after its second step failed',
      faults: [],
      before: 2,
      act: async (world) => {
        let failures = 0
        const { model } = scriptedModel(sdk, (prompt, sample) => {
          if (outputOf(prompt) !== undefined && failures++ < 1) throw new Error('the model failed after the tool ran')
          return persistent(world.input)(prompt, sample)
        })
        const once = (): Promise<unknown> => generate(world, { model, maxRetries: 0 })
        await world.run(() => once().catch(once))
      },
    },
    {
      title: 'a stream is stopped after the tool ran and the user tries again',
      faults: [],
      before: 2,
      act: async (world) => {
        const { model } = scriptedModel(sdk, persistent(world.input))
        const go = async (stops: boolean): Promise<void> => {
          const stop = new AbortController()
          const result = ai.streamText({
            model,
            tools: toolsOf(sdk, world),
            stopWhen,
            abortSignal: stop.signal,
            prompt: 'charge the order',
            onError: () => {},
          })
          for await (const part of result.fullStream) if (stops && part.type === 'tool-result') stop.abort()
        }
        await world.run(async () => {
          await go(true).catch(() => undefined)
          await go(false)
        })
      },
    },
  ]
  if (sdk.major === 6) return both
  return [
    ...both,
    {
      title: 'a tool time-out of the framework aborts after the effect',
      // Far apart: on a busy machine a call takes a while before it has sent anything.
      faults: ['stall:1000'],
      before: 2,
      act: (world) => world.run(() => generate(world, { timeout: { toolMs: 300 } })),
    },
    {
      title: 'an approved history is posted twice',
      faults: [],
      before: 2,
      act: async (world) => {
        const options = {
          model: scriptedModel(sdk, persistent(world.input)).model,
          tools: toolsOf(sdk, world),
          stopWhen,
          toolApproval: { charge: 'user-approval' as const },
        }
        const user = { role: 'user' as const, content: 'charge the order' }
        const asked = await ai.generateText({ ...options, messages: [user] })
        const request = asked.content.find((part) => part.type === 'tool-approval-request')
        if (request === undefined) throw new Error('no approval was asked for')
        const messages = [
          user,
          ...asked.responseMessages,
          {
            role: 'tool' as const,
            content: [{ type: 'tool-approval-response' as const, approvalId: request.approvalId, approved: true }],
          },
        ]
        await world.run(async () => {
          await ai.generateText({ ...options, messages })
          await ai.generateText({ ...options, messages })
        })
      },
    },
  ]
}

describe.each(MAJORS)('$name', (sdk) => {
  beforeAndAfter(sdk.name, scenariosOf(sdk))
})
