import { memberOf, membersAt, skipSpace, type Member } from '../proxy/spans.ts'
import { applyEdits } from '../proxy/splice.ts'

/** JSON in one line: between its tokens only white space may hold line ends. */
export const oneLine = (text: string): string => text.replaceAll(/[\r\n]+/g, ' ')

const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId'

/** The first member that stands at one of these paths. */
export function at(text: string, ...paths: readonly (readonly string[])[]): Member | undefined {
  const top = membersAt(text, skipSpace(text, 0))
  for (const path of paths) {
    let members = top
    let found: Member | undefined
    for (const name of path) {
      found = members === undefined ? undefined : memberOf(members, name)
      members = found === undefined ? undefined : membersAt(text, found.start)
    }
    if (found !== undefined) return found
  }
  return undefined
}

const replaced = (text: string, found: Member | undefined, json: string): string =>
  found === undefined ? text : applyEdits(text, [{ start: found.start, end: found.end, with: json }])

const valueOf = (text: string, found: Member | undefined): string | undefined =>
  found === undefined ? undefined : text.slice(found.start, found.end)

/** A request's progress token stands in its `_meta`, a notification's in its `params`. */
const TOKEN = [
  ['params', 'progressToken'],
  ['params', '_meta', 'progressToken'],
] as const

/** JSON text of a message's progress token. */
export const tokenIn = (text: string): string | undefined => valueOf(text, at(text, ...TOKEN))
export const withToken = (text: string, token: string): string => replaced(text, at(text, ...TOKEN), token)

export const withId = (text: string, id: string): string => replaced(text, at(text, ['id']), id)

/** JSON text of the request that a notification of a subscription belongs to (MCP 2026-07-28, subscriptions). */
export const subscriptionIn = (text: string): string | undefined => valueOf(text, at(text, ...SUBSCRIBED))
const SUBSCRIBED = [
  ['params', '_meta', SUBSCRIPTION],
  ['result', '_meta', SUBSCRIPTION],
] as const

/** The message with the client's own id of the subscription, where it has the one that the server knows. */
export function withSubscription(text: string, known: string, clientId: string): string {
  if (!text.includes(SUBSCRIPTION)) return text
  return subscriptionIn(text) === known ? replaced(text, at(text, ...SUBSCRIBED), clientId) : text
}
