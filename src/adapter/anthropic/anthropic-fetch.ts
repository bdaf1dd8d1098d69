import type { Guard } from '../../engine/index.ts'
import type { LlmFetchOptions } from '../../llm/index.ts'
import { evidenceFetch } from '../shared/index.ts'

/**
 * `llmFetch` for `new Anthropic({ fetch })`: one answer per logical model call of a run, and evidence of which tools'
 * results the model was shown. It is given as `fetch` and not as middleware, because the SDK's own time-out cuts what a
 * middleware's `next` sends, and a call that is cut there is sampled again.
 */
export const anthropicFetch = (guard: Guard, options: LlmFetchOptions = {}): typeof fetch =>
  evidenceFetch(guard, options, resultIdsIn)

/** The calls whose results a Messages request holds. */
function resultIdsIn(body: unknown): readonly string[] {
  const { messages } = (body ?? {}) as { readonly messages?: unknown }
  if (!Array.isArray(messages)) return []
  return (messages as { readonly content?: unknown }[]).flatMap(({ content }) =>
    Array.isArray(content)
      ? (content as { readonly type?: unknown; readonly tool_use_id?: unknown }[]).flatMap((block) =>
          block.type === 'tool_result' && typeof block.tool_use_id === 'string' ? [block.tool_use_id] : [],
        )
      : [],
  )
}
