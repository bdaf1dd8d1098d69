import type { LanguageModel } from 'ai'

type Model = Exclude<LanguageModel, string>

/** A model that is a script: it calls the tool until a result is no error, and then says so. Counts how often it is asked. */
export function scriptedModel(toolName: string, input: unknown): { readonly model: Model; samples(): number } {
  let samples = 0
  const usage = {
    inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 1, text: 1, reasoning: 0 },
  }
  const model = {
    specificationVersion: 'v4',
    provider: 'script',
    modelId: 'script',
    supportedUrls: {},
    doGenerate: () => Promise.reject(new Error('this script only streams')),
    doStream: ({ prompt }: { prompt: readonly { role: string; content: unknown }[] }) => {
      samples += 1
      const last = prompt.at(-1)
      const isDone = last?.role === 'tool' && !JSON.stringify(last.content).includes('"error-')
      const finish = isDone ? 'stop' : 'tool-calls'
      const content = isDone
        ? [
            { type: 'text-start', id: 't' },
            { type: 'text-delta', id: 't', delta: 'The return is refunded.' },
            { type: 'text-end', id: 't' },
          ]
        : [{ type: 'tool-call', toolCallId: `call_${samples}`, toolName, input: JSON.stringify(input) }]
      const end = { type: 'finish', finishReason: { unified: finish, raw: finish }, usage }
      return Promise.resolve({
        stream: ReadableStream.from([{ type: 'stream-start', warnings: [] }, ...content, end]),
      })
    },
  }
  return { model: model as unknown as Model, samples: () => samples }
}
