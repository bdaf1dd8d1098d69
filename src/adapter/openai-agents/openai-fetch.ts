import type { Guard } from '../../engine/index.ts'
import type { LlmFetchOptions } from '../../llm/index.ts'
import { evidenceFetch } from '../shared/index.ts'

/**
 * `llmFetch` for `new OpenAI({ fetch })`: one answer per logical model call of a run, and evidence of which tools'
 * results the model was shown, which a tool of this SDK cannot see. Reads requests of Responses and Chat Completions.
 */
export const openAiFetch = (guard: Guard, options: LlmFetchOptions = {}): typeof fetch =>
  evidenceFetch(guard, options, resultIdsIn)

interface Item {
  readonly type?: unknown
  readonly role?: unknown
  readonly call_id?: unknown
  readonly tool_call_id?: unknown
}

/** The calls whose results a request holds. */
function resultIdsIn(body: unknown): readonly string[] {
  const { input, messages } = (body ?? {}) as { readonly input?: unknown; readonly messages?: unknown }
  return [input, messages].flatMap((items) =>
    Array.isArray(items)
      ? (items as Item[]).flatMap((item) => {
          const id = item.type === 'function_call_output' ? item.call_id : item.role === 'tool' && item.tool_call_id
          return typeof id === 'string' ? [id] : []
        })
      : [],
  )
}
