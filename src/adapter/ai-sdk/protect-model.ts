import { knownOptions, type NamesOf } from '../../contract/index.ts'
import type { Guard } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { OCCURRENCE_HEADER, occurrenceIn, recordedCall, unlessAborted, type Sample } from '../../llm/index.ts'
import { resultsSeen } from '../shared/index.ts'
import { callIdsIn } from './protect-tools.ts'

export interface ProtectModelOptions {
  /** Is told of every sample that the provider really made: the one place to count usage. */
  readonly onSample?: (sample: Sample) => void
}

const NAMES: NamesOf<ProtectModelOptions> = { onSample: true }

/** What the specifications V2 to V4 of a language model have in common. */
interface Call {
  readonly prompt?: unknown
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly abortSignal?: AbortSignal
  readonly [setting: string]: unknown
}
interface Part {
  readonly type?: unknown
  readonly usage?: unknown
}
type StreamHead = Readonly<Record<string, unknown>>
type Streamed = StreamHead & { readonly stream: ReadableStream<Part> }
interface Model {
  readonly provider?: string
  readonly modelId?: string
  doGenerate(options: Call): PromiseLike<unknown>
  doStream(options: Call): PromiseLike<Streamed>
}

/**
 * The same model, which answers each logical call of a run once: a repeat of an equal call, in this process or another,
 * gets the first answer, and a stream that was stopped is read again from its first part. Takes models of the
 * specifications V2 to V4 (ai 5 to 7), whatever the provider.
 * @throws OnefoldError CONFIG_INVALID for the mere name of a model
 */
export function protectModel<M>(guard: Guard, model: M, options: ProtectModelOptions = {}): M {
  knownOptions('protectModel', options, NAMES)
  if (typeof model !== 'object' || model === null || !('doGenerate' in model))
    throw new OnefoldError(
      'CONFIG_INVALID',
      'protectModel takes a model object, such as openai("gpt-6"), not the name of one. Nothing was protected.',
    )
  const target = model as unknown as Model
  const tell = (run: string, usage: unknown): void => options.onSample?.({ run, usage: usage as Sample['usage'] })
  const replaced: Readonly<Record<PropertyKey, unknown>> = {
    doGenerate: (call: Call) => generate(guard, target, call, tell),
    doStream: (call: Call) => stream(guard, target, call, tell),
  }
  // A model's class may keep private fields: its methods are called on itself, never on the proxy.
  return new Proxy(model, {
    get: (own, name) => {
      if (name === 'doGenerate' || name === 'doStream') return replaced[name]
      const value: unknown = Reflect.get(own, name, own)
      return typeof value === 'function' ? (value.bind(own) as unknown) : value
    },
  })
}

type Tell = (run: string, usage: unknown) => void

async function generate(guard: Guard, model: Model, call: Call, tell: Tell): Promise<unknown> {
  const { detached, occurrence, request } = readCall(model, 'generate', call)
  const found = recordedCall<unknown, never>(guard, {
    request,
    occurrence,
    start: async () => ({ head: await model.doGenerate(detached), chunks: none() }),
    isWhole: () => true,
    pack: (head) => head,
    unpack: (head) => ({ head, chunks: [] }),
    onSample: (head, _chunks, run) => tell(run, (head as Part | undefined)?.usage),
  })
  const head = await (found === undefined
    ? model.doGenerate(call)
    : unlessAborted(found.recording.head, call.abortSignal))
  await answered(guard, call)
  // What one caller changes, the next must not see.
  return found?.joined === true ? structuredClone(head) : head
}

async function stream(guard: Guard, model: Model, call: Call, tell: Tell): Promise<unknown> {
  const { detached, occurrence, request } = readCall(model, 'stream', call)
  const isWhole = (last: Part | undefined): boolean => last?.type === 'finish'
  const found = recordedCall<StreamHead, Part>(guard, {
    request,
    occurrence,
    start: async () => {
      const { stream: chunks, ...head } = await model.doStream(detached)
      return { head, chunks }
    },
    saysFailed: ({ type }) => type === 'error',
    isWhole: (_head, parts) => isWhole(parts.at(-1)),
    onAnswered: () => answered(guard, call),
    pack: (head, parts) => ({ head, parts }),
    unpack: (stored) => {
      const { head, parts } = stored as { readonly head: StreamHead; readonly parts: readonly Part[] }
      return { head, chunks: parts }
    },
    onSample: (_head, parts, run) => tell(run, parts.findLast(({ type }) => type === 'finish')?.usage),
  })
  if (found === undefined) {
    const given = await model.doStream(call)
    const watch = new TransformStream<Part, Part>({
      transform: async (part, parts) => {
        if (isWhole(part)) await answered(guard, call)
        parts.enqueue(part)
      },
    })
    return { ...given, stream: given.stream.pipeThrough(watch) }
  }
  const head = await unlessAborted(found.recording.head, call.abortSignal)
  return { ...head, stream: found.recording.stream(call.abortSignal) }
}

/** What identifies a call, and the call as it is made for nobody in particular. */
function readCall(
  model: Model,
  kind: 'generate' | 'stream',
  call: Call,
): { readonly detached: Call; readonly occurrence: number; readonly request: unknown } {
  const { abortSignal, headers: given = {}, ...settings } = call
  abortSignal?.throwIfAborted()
  const headers = Object.fromEntries(Object.entries(given).filter(([name]) => name.toLowerCase() !== OCCURRENCE_HEADER))
  const named = Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return {
    detached: { ...settings, ...(call.headers === undefined ? {} : { headers }) },
    occurrence: occurrenceIn(new Headers(named)),
    request: { kind, provider: model.provider ?? '', model: model.modelId ?? '', settings },
  }
}

/** A request that failed is no evidence: its run is tried again, and asks for the same tools under new names. */
const answered = (guard: Guard, { prompt }: Call): Promise<void> =>
  resultsSeen(guard, callIdsIn(Array.isArray(prompt) ? (prompt as unknown[]) : []))

async function* none(): AsyncGenerator<never> {}
