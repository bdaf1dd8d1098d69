import { anySchema, defineContract, probe, type AnyToolOptions, type Contract } from '../contract/index.ts'
import { currentRun, encode, type Guard, type Outcome } from '../engine/index.ts'
import { isOnefoldError } from '../error/index.ts'
import { canonicalizeJson, fingerprintText } from '../key/index.ts'
import { createRecording, type Recorder, type Recording } from './recording.ts'

/** One logical call of a model, and how it is made. */
export interface ModelCall<Head, Chunk> {
  /** What makes two calls of a run the same one: the whole request, without what differs on a retry. */
  readonly request: unknown
  /** 2 for a second sample of the same request that is wanted, and so on. @default 1 */
  readonly occurrence?: number | undefined
  /** Makes the call. Nothing in it may depend on who asked: it goes on when they have left. */
  start(): Promise<{ readonly head: Head; readonly chunks: AsyncIterable<Chunk> }>
  /** False for an answer that is told to its callers and not kept: an error, a stream without its end. */
  isWhole(head: Head, chunks: readonly Chunk[]): boolean
  pack(head: Head, chunks: readonly Chunk[]): unknown
  unpack(stored: unknown): { readonly head: Head; readonly chunks: readonly Chunk[] }
  /** Is told before readers see the end of a whole answer, wherever it came from; earlier where a chunk asks for a tool. */
  readonly onAnswered?: (() => Promise<void>) | undefined
  /** Whether a chunk asks for a tool, which its reader may run before the answer's end. @default none does */
  asksForTool?(chunk: Chunk): boolean
  /** Whether a chunk says that the answer has failed: who asks again after it gets another sample. @default none does */
  saysFailed?(chunk: Chunk): boolean
  /** Is told of every sample that a provider really made: once, however many callers read it. */
  readonly onSample?: ((head: Head, chunks: readonly Chunk[], run: string) => void) | undefined
}

/** A model call may be made again whenever its answer is not in the ledger: sampling has no effect but its price. */
const modelCallContract: Contract = defineContract({
  name: 'onefold.model-call',
  input: anySchema,
  effect: 'write',
  identity: 'all',
  scope: 'run',
  timeout: '1h',
  sends: 'checked',
  recovery: probe(() => ({ found: false }), { settle: '0s' }),
  errors: [{ match: () => true, effect: 'none' }],
  execute: () => {
    throw new Error('a model call is made again by whoever wants its answer')
  },
} as unknown as AnyToolOptions)

/** Longer than any answer takes: who waits for another process's sample waits for the sample. */
const WAIT_MS = 3_600_000

/** Requests with images in them are large; only their hash is kept. */
const MOST_BYTES = 512 * 2 ** 20

/** Calls under way in this process, by guard and key. */
const live = new WeakMap<Guard, Map<string, Recording<unknown, unknown>>>()

/** An answer that its callers are given and the ledger is not. */
class NotKept extends Error {
  override readonly name = 'NotKept'
}

/**
 * The answer of one logical call: the recorded one, the one that is coming in, or a new sample, whose making is tied to
 * no caller. Undefined outside a run, where nothing tells a retry from new work: make the call plainly.
 * @throws OnefoldError STORE_UNAVAILABLE
 */
export function recordedCall<Head, Chunk>(
  guard: Guard,
  call: ModelCall<Head, Chunk>,
): { readonly recording: Recording<Head, Chunk>; readonly joined: boolean } | undefined {
  const run = currentRun()
  if (run === undefined) return undefined
  guard.internals.register(modelCallContract)
  const input = { request: fingerprintText(canonical(call.request)) }
  const options = { occurrence: call.occurrence ?? 1, run }
  const { key } = guard.internals.name(modelCallContract, input, options)
  const calls = live.get(guard) ?? new Map<string, Recording<unknown, unknown>>()
  live.set(guard, calls)
  const known = calls.get(key)
  if (known !== undefined) return { recording: known as Recording<Head, Chunk>, joined: true }
  const recording = createRecording<Head, Chunk>()
  calls.set(key, recording as Recording<unknown, unknown>)
  const forget = (): void => {
    if (calls.get(key) === recording) calls.delete(key)
  }
  let isOurs = false
  const execute = (): Promise<unknown> => {
    isOurs = true
    return record(call, recording, run.id, forget)
  }
  const perform = async (): Promise<Outcome> => {
    for (;;) {
      try {
        return await guard.internals.perform(modelCallContract, input, { ...options, waitMs: WAIT_MS, execute })
      } catch (error) {
        // It joined a call whose answer was not kept: that one's failure is told to who made it.
        if (isOurs || !isOnefoldError(error) || error.code !== 'REJECTED') throw error
      }
    }
  }
  void perform()
    .then(async (outcome) => await fill(call, recording, outcome, run.id, forget))
    .catch((error: unknown) => recording.fail(error))
    .finally(forget)
  return { recording, joined: false }
}

/** The same text for equal requests; one that is too deep for the canonical form stands for itself. */
function canonical(request: unknown): string {
  const text = encode(request)
  try {
    return canonicalizeJson(text, { maxBytes: MOST_BYTES })
  } catch {
    return text
  }
}

/** Makes the call to its end, whoever still reads. @throws NotKept for an answer that is not to be recorded */
async function record<Head, Chunk>(
  call: ModelCall<Head, Chunk>,
  recording: Recorder<Head, Chunk>,
  run: string,
  forget: () => void,
): Promise<unknown> {
  let hasFailed = false
  try {
    const { head, chunks } = await call.start()
    recording.begin(head, 'provider')
    for await (const chunk of chunks) {
      if (call.asksForTool?.(chunk) === true) await call.onAnswered?.()
      hasFailed ||= call.saysFailed?.(chunk) === true
      if (hasFailed) forget()
      recording.push(chunk)
    }
    call.onSample?.(head, recording.chunks, run)
    if (hasFailed || !call.isWhole(head, recording.chunks)) throw new NotKept('the answer is an error or has no end')
    const stored = call.pack(head, recording.chunks)
    await call.onAnswered?.()
    recording.end()
    return stored
  } catch (error) {
    forget()
    if (error instanceof NotKept) recording.end()
    else recording.fail(error)
    throw error
  }
}

/** What the ledger had, where this call was not made here. */
async function fill<Head, Chunk>(
  call: ModelCall<Head, Chunk>,
  recording: Recorder<Head, Chunk>,
  outcome: Outcome,
  run: string,
  forget: () => void,
): Promise<void> {
  if (!outcome.replayed && !outcome.joined) return
  if (outcome.missing !== undefined) {
    // It was made and its answer is gone: a sample has no effect, so another one is the way on.
    await record(call, recording, run, forget).catch(() => undefined)
    return
  }
  const { head, chunks } = call.unpack(outcome.value)
  recording.begin(head, 'ledger')
  await call.onAnswered?.()
  for (const chunk of chunks) recording.push(chunk)
  recording.end()
}
