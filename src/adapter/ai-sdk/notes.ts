import { keepNewest } from '../../engine/index.ts'

/** What the model is told beside the results of a tool, by call. */
export interface Notes {
  add(callId: string, note: string | undefined): void
  /** Takes the place of the tool's own, or of what `ai` does without one. */
  readonly toModelOutput: (options: OutputOptions) => Promise<unknown>
}

interface OutputOptions {
  readonly toolCallId: string
  readonly output: unknown
}

type ModelOutput = { readonly type: string; readonly value?: unknown }

const KEPT = 10_000

/** Both majors of `ai` ask `toModelOutput` what the model reads of a result: the note goes there, and the result stays as it is. */
export function withNotes(tool: { readonly toModelOutput?: unknown }): Notes {
  const own = tool.toModelOutput as ((options: OutputOptions) => unknown) | undefined
  const notes = new Map<string, string>()
  return {
    add: (callId, note) => {
      if (note !== undefined) keepNewest(notes, callId, note, KEPT)
    },
    toModelOutput: async (options) => {
      const output = own === undefined ? ordinary(options.output) : ((await own.call(tool, options)) as ModelOutput)
      const note = notes.get(options.toolCallId)
      return note === undefined ? output : beside(output, note)
    },
  }
}

/** What `ai` makes of a result without a `toModelOutput` (create-tool-model-output). */
const ordinary = (output: unknown): ModelOutput =>
  typeof output === 'string'
    ? { type: 'text', value: output }
    : { type: 'json', value: output === undefined ? null : output }

/** Content parts can stand beside each other; everything else becomes text. */
function beside(output: ModelOutput, note: string): ModelOutput {
  const parts =
    output.type === 'content' && Array.isArray(output.value)
      ? (output.value as unknown[])
      : [{ type: 'text', text: output.type === 'text' ? output.value : JSON.stringify(output.value) }]
  return { type: 'content', value: [...parts, { type: 'text', text: note }] }
}
