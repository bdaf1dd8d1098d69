import * as ai7 from 'ai'
import * as ai6 from 'ai-6'
import type { LanguageModel, ToolSet } from 'ai'

/** One major of the AI SDK. What both have is used through the types of the newer one. */
export interface AiSdk {
  readonly name: string
  readonly major: 6 | 7
  readonly ai: typeof ai7
  readonly specification: 'v3' | 'v4'
}

export const MAJORS: readonly AiSdk[] = [
  { name: 'AI SDK 7', major: 7, ai: ai7, specification: 'v4' },
  { name: 'AI SDK 6', major: 6, ai: ai6 as unknown as typeof ai7, specification: 'v3' },
]

export type Content = Readonly<Record<string, unknown>> & { readonly type: string }
interface Message {
  readonly role: string
  readonly content:
    | string
    | readonly { readonly type?: string; readonly toolCallId?: string; readonly output?: Output }[]
}
export interface Output {
  readonly type: string
  readonly value: unknown
}

/** Decides the model's next answer from the conversation so far. */
export type Script = (prompt: readonly Message[], sample: number) => readonly Content[] | Promise<readonly Content[]>

const usage = {
  inputTokens: { total: 3, noCache: 3, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 5, text: 5, reasoning: 0 },
}
const finishOf = (content: readonly Content[]): { readonly unified: string; readonly raw: string } =>
  content.some(({ type }) => type === 'tool-call')
    ? { unified: 'tool-calls', raw: 'tool-calls' }
    : { unified: 'stop', raw: 'stop' }

/** A model of either specification that plays a script; every call of it is one sample. */
export interface ScriptedModel {
  readonly model: LanguageModel & object
  readonly samples: () => number
  /** Every tool output that the model was shown, in the order of requests. */
  readonly shown: Output[]
}

export function scriptedModel({ specification }: AiSdk, script: Script): ScriptedModel {
  let samples = 0
  const shown: Output[] = []
  const next = async (prompt: readonly Message[]): Promise<readonly Content[]> => {
    const last = prompt.at(-1)
    if (last?.role === 'tool' && Array.isArray(last.content))
      for (const { type, output } of last.content)
        if (type === 'tool-result' && output !== undefined) shown.push(output)
    return await script(prompt, (samples += 1))
  }
  const model = {
    specificationVersion: specification,
    provider: 'scripted',
    modelId: 'script',
    supportedUrls: {},
    doGenerate: async ({ prompt }: { prompt: readonly Message[] }) => {
      const content = await next(prompt)
      return { content, finishReason: finishOf(content), usage, warnings: [] }
    },
    doStream: async ({ prompt }: { prompt: readonly Message[] }) => {
      const content = await next(prompt)
      const parts = content.flatMap((part, index): Content[] =>
        part.type === 'text'
          ? [
              { type: 'text-start', id: `t${index}` },
              { type: 'text-delta', id: `t${index}`, delta: part['text'] },
              { type: 'text-end', id: `t${index}` },
            ]
          : [part],
      )
      const all = [
        { type: 'stream-start', warnings: [] },
        ...parts,
        { type: 'finish', finishReason: finishOf(content), usage },
      ]
      return { stream: ReadableStream.from(all) }
    },
  }
  return { model: model as unknown as LanguageModel & object, samples: () => samples, shown }
}

let calls = 0

/** A fresh tool call, as every model re-call makes one. */
export const toolCall = (toolName: string, input: unknown): Content => ({
  type: 'tool-call',
  toolCallId: `call_${++calls}`,
  toolName,
  input: JSON.stringify(input),
})

export const text = (value: string): Content => ({ type: 'text', text: value })

export const outputOf = (prompt: readonly Message[]): Output | undefined => {
  const last = prompt.at(-1)
  return last?.role === 'tool' && Array.isArray(last.content)
    ? (last.content as readonly { readonly output?: Output }[]).at(-1)?.output
    : undefined
}

/** Real models' habit: calls the tool, calls it again when its result is an error, and else answers. */
export const persistent =
  (input: unknown, tool = 'charge'): Script =>
  (prompt) => {
    const output = outputOf(prompt)
    const isError =
      output !== undefined && (/error/.test(output.type) || JSON.stringify(output.value).includes('"isError":true'))
    const gaveUp = JSON.stringify(output?.value ?? '').includes('Do not call it again')
    return output === undefined || (isError && !gaveUp) ? [toolCall(tool, input)] : [text('Done.')]
  }

export type { ToolSet }
