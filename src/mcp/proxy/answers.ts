import { memberOf, membersAt, skipSpace } from './spans.ts'
import { applyEdits, type Edit } from './splice.ts'

/** Where the receipt of a call stands in a result. */
export const RECEIPT = 'io.onefold/receipt'
/** Where an error that is told as a result says for programs what it is. */
export const ERROR = 'io.onefold/error'

/** What every result of MCP 2026-07-28 says of itself, where it is no question; earlier clients do not look. */
export const COMPLETE = 'complete'

/** One JSON-RPC answer as a line. */
export const resultLine = (id: string, result: string): string => `{"jsonrpc":"2.0","id":${id},"result":${result}}\n`
/** How the line of {@link resultLine} begins, up to its id. */
export const resultStart = (id: string): string => `{"jsonrpc":"2.0","id":${id}`
export const errorLine = (id: string, error: string): string => `{"jsonrpc":"2.0","id":${id},"error":${error}}\n`

/**
 * A result with `values` in its `_meta`, and everything else as it was, byte for byte. Values of the same name, as an
 * inner Onefold leaves them, are replaced. A result that is no object stays as it is.
 */
export function withMeta(result: string, values: Readonly<Record<string, unknown>>): string {
  const at = skipSpace(result, 0)
  const members = membersAt(result, at)
  if (members === undefined) return result
  const pairs = Object.entries(values).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  const meta = memberOf(members, '_meta')
  if (meta === undefined) {
    const start = at + 1
    return applyEdits(result, [
      { start, end: start, with: `"_meta":{${pairs.join(',')}}${members.length === 0 ? '' : ','}` },
    ])
  }
  const inner = membersAt(result, meta.start)
  if (inner === undefined) return applyEdits(result, [{ ...meta, with: `{${pairs.join(',')}}` }])
  const kept = inner
    .filter(({ name }) => !Object.hasOwn(values, name))
    .map((member) => result.slice(member.nameStart, member.end))
  return applyEdits(result, [{ start: meta.start, end: meta.end, with: `{${[...kept, ...pairs].join(',')}}` }])
}

/** A result with one more text at the end of its `content`, where a model reads it. */
export function withText(result: string, text: string): string {
  const at = skipSpace(result, 0)
  const members = membersAt(result, at)
  if (members === undefined) return result
  const block = JSON.stringify({ type: 'text', text })
  const content = memberOf(members, 'content')
  if (content === undefined || result[content.start] !== '[') {
    const edit: Edit = { start: at + 1, end: at + 1, with: `"content":[${block}]${members.length === 0 ? '' : ','}` }
    return content === undefined ? applyEdits(result, [edit]) : result
  }
  const end = content.end - 1
  const empty = skipSpace(result, content.start + 1) === end
  return applyEdits(result, [{ start: end, end, with: `${empty ? '' : ','}${block}` }])
}

/** Whether a result asks the caller for more before the tool goes on (MCP 2026-07-28, `resultType`). */
export function isQuestion(result: string): boolean {
  if (!result.includes('resultType') && !result.includes('\\')) return false
  const members = membersAt(result, skipSpace(result, 0))
  const type = members === undefined ? undefined : memberOf(members, 'resultType')
  return type !== undefined && JSON.parse(result.slice(type.start, type.end)) === 'input_required'
}

/** Whether a result says of itself that it is an error (MCP `isError`). */
export function isErrorResult(result: string): boolean {
  if (!result.includes('isError') && !result.includes('\\')) return false
  const members = membersAt(result, skipSpace(result, 0))
  const flag = members === undefined ? undefined : memberOf(members, 'isError')
  return flag !== undefined && result.slice(flag.start, flag.end) === 'true'
}
