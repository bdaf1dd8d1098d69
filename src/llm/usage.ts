/** One sample that a provider really made. */
export interface Sample {
  readonly run: string
  /** What the provider says that it cost, in its own words; later events of a stream add to earlier ones. */
  readonly usage: Readonly<Record<string, unknown>> | undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The usage in a provider's answer: `usage` of a JSON answer, or of the events of a stream (OpenAI's last chunk and
 * `response.completed`; Anthropic's `message_start` and `message_delta`, whose counts are cumulative).
 */
export function usageOf(text: string): Sample['usage'] {
  const found: Record<string, unknown>[] = []
  for (const json of documentsIn(text)) {
    if (!json.includes('"usage"')) continue
    let value: unknown
    try {
      value = JSON.parse(json)
    } catch {
      continue
    }
    if (!isObject(value)) continue
    for (const place of [value, value['message'], value['response']])
      if (isObject(place) && isObject(place['usage'])) found.push(place['usage'])
  }
  return found.length === 0 ? undefined : Object.assign({}, ...found)
}

/** The JSON documents of an answer: itself, or the data of its server-sent events. */
function documentsIn(text: string): readonly string[] {
  if (text.trimStart().startsWith('{')) return [text]
  return text
    .split(/\r\n|\r|\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5))
}
