import { MockLanguageModelV4 } from 'ai/test'
import { nextCall, type Answer, type Return } from '../../src/cli/demo/story.ts'

type Generate = Extract<MockLanguageModelV4['doGenerate'], (...args: never[]) => unknown>
type Prompt = Parameters<Generate>[0]['prompt']

/** A model whose decisions are scripted for one return; everything around it is the AI SDK as it is. */
export function scriptedModel(wanted: Return): MockLanguageModelV4 {
  let calls = 0
  return new MockLanguageModelV4({
    doGenerate: ({ prompt }) => {
      const call = nextCall(wanted, answersIn(prompt))
      const toolCallId = `${wanted.order}-${++calls}`
      return Promise.resolve({
        content:
          call === undefined
            ? [{ type: 'text' as const, text: `Return ${wanted.order} is settled.` }]
            : [
                {
                  type: 'tool-call' as const,
                  toolCallId,
                  toolName: call.name,
                  input: JSON.stringify(call.arguments),
                },
              ],
        finishReason: { unified: call === undefined ? ('stop' as const) : ('tool-calls' as const), raw: undefined },
        usage: {
          inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
          outputTokens: { total: 0, text: 0, reasoning: 0 },
        },
        warnings: [],
      })
    },
  })
}

/** What the model can read: every tool result in its prompt, oldest first. */
function answersIn(prompt: Prompt): readonly Answer[] {
  return prompt.flatMap((message) =>
    message.role !== 'tool'
      ? []
      : message.content.flatMap((part) =>
          part.type !== 'tool-result' ? [] : [{ name: part.toolName, text: textOf(part.output) }],
        ),
  )
}

/** MCP answers arrive as content parts, exceptions as error text. */
function textOf(output: { readonly type: string; readonly value?: unknown }): string {
  if (!Array.isArray(output.value)) {
    return typeof output.value === 'string' ? output.value : JSON.stringify(output.value ?? '')
  }
  return (output.value as readonly { readonly text?: string }[]).map(({ text }) => text ?? '').join('\n')
}
