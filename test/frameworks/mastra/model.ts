import { simulateReadableStream } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'

/** One tool call that a scripted model makes. */
export type Call = readonly [tool: string, args: Record<string, unknown>]

/** What a scripted model makes of the answers of its last calls: further calls, or a last word. None: the first turn. */
export type Script = (answers: readonly string[]) => readonly Call[] | string

interface Message {
  readonly role: string
  readonly content: readonly { readonly output?: unknown }[] | string
}

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
}

let calls = 0

/** A model for Mastra that follows a script; every tool call gets an id of its own, as models do it. */
export function scriptedModel(script: Script): MockLanguageModelV4 {
  const turnOf = (prompt: readonly Message[]) => {
    const turn = script(answersIn(prompt))
    const said = typeof turn === 'string'
    return {
      parts: said
        ? [{ type: 'text', text: turn }]
        : turn.map(([toolName, args]) => ({
            type: 'tool-call',
            toolCallId: `call_${(calls += 1)}`,
            toolName,
            input: JSON.stringify(args),
          })),
      finishReason: { unified: said ? 'stop' : 'tool-calls', raw: undefined },
    }
  }
  return new MockLanguageModelV4({
    doGenerate: (async ({ prompt }: { prompt: readonly Message[] }) => {
      const { parts, finishReason } = turnOf(prompt)
      return { content: parts, finishReason, usage, warnings: [] }
    }) as never,
    doStream: (async ({ prompt }: { prompt: readonly Message[] }) => {
      const { parts, finishReason } = turnOf(prompt)
      const streamed = parts.flatMap((part): readonly object[] =>
        'text' in part
          ? [
              { type: 'text-start', id: 't' },
              { type: 'text-delta', id: 't', delta: part.text },
              { type: 'text-end', id: 't' },
            ]
          : [part],
      )
      const chunks = [{ type: 'stream-start', warnings: [] }, ...streamed, { type: 'finish', finishReason, usage }]
      return { stream: simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null }) }
    }) as never,
  })
}

/** What the tools answered since the model last spoke, as the provider is sent it. */
function answersIn(prompt: readonly Message[]): readonly string[] {
  const since = prompt.findLastIndex(({ role }) => role === 'assistant') + 1
  return prompt
    .slice(since)
    .flatMap(({ role, content }) =>
      role === 'tool' && typeof content !== 'string' ? content.map(({ output }) => JSON.stringify(output)) : [],
    )
}

/** As a real model does it: calls, and while an answer is no success calls again, at most `tries` times. */
export function persistent(
  made: readonly Call[],
  isSuccess: (answer: string) => boolean,
  told: string[] = [],
  tries = 3,
): Script {
  return (answers) => {
    told.push(...answers)
    const failures = told.filter((answer) => !isSuccess(answer)).length
    if (answers.length > 0 && (answers.every(isSuccess) || failures >= tries)) return 'Done.'
    return made
  }
}
