/**
 * How a stream fails that has answered 200 by then: Messages, Responses, Chat Completions. Lines may end as any of
 * server-sent events do. None can stand inside a JSON string, which escapes their signs.
 */
const FAILURE = /(?:^|[\r\n])(?:event: ?(?:error|response\.failed)[\r\n]|data: ?\{\s*"error"\s*:(?!\s*null))/

/** Whether a piece of a stream says that the answer has failed. */
export const hasFailed = (text: string): boolean => FAILURE.test(text)

/** How the streams of an API begin, and what one of them must have by its end, though its connection ended in order. */
const ENDS: readonly (readonly [begins: RegExp, ends: RegExp])[] = [
  [/^event: ?message_start[\r\n]/m, /^event: ?message_stop[\r\n]/m],
  [/^event: ?response\.created[\r\n]/m, /^event: ?response\.(?:completed|incomplete)[\r\n]/m],
  [/^data: ?\{.*"candidates"\s*:\s*\[\s*\{/m, /"finishReason"\s*:\s*"/],
  [/^data: ?\{.*"chat\.completion\.chunk"/m, /^data: ?\[DONE\]|"finish_reason"\s*:\s*"/m],
]

/**
 * Whether the text of a 2xx is the whole answer of a model. What is not is told to its callers and not kept: they would
 * get the same piece, or the same error, however often they ask again.
 * @param type the `content-type`, in lower case
 */
export function isWholeAnswer(type: string, text: string): boolean {
  if (hasFailed(text) || type.startsWith('text/html')) return false
  if (type.startsWith('application/json')) return isJson(text) && !/^\s*\{\s*"error"\s*:\s*\{/.test(text)
  return ENDS.every(([begins, ends]) => !begins.test(text) || ends.test(text))
}

function isJson(text: string): boolean {
  try {
    // Readers take off a byte order mark; here it is three letters.
    JSON.parse(text.replace(/^\u00ef\u00bb\u00bf/, ''))
    return true
  } catch {
    return false
  }
}
