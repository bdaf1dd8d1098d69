/**
 * The door `onefold/llm`: one answer per logical model call inside a run, streamed or not, whatever client retries.
 * @module
 * @example
 * ```ts
 * import { llmFetch } from 'onefold/llm'
 * const client = new OpenAI({ fetch: llmFetch(guard) })
 * ```
 */
export { llmFetch, occurrenceIn, OCCURRENCE_HEADER, unlessAborted, type LlmFetchOptions } from './llm-fetch.ts'
export { recordedCall, type ModelCall } from './model-calls.ts'
export type { Recording } from './recording.ts'
export type { Sample } from './usage.ts'
