import type { ToolCall } from './message.ts'
import { memberOf, membersAt } from './spans.ts'

const PROTOCOL = 'io.modelcontextprotocol/protocolVersion'
/** What every request of MCP 2026-07-28 says about its client (basic/index, `_meta`). */
const MEMBERS = new Set([PROTOCOL, 'io.modelcontextprotocol/clientInfo', 'io.modelcontextprotocol/clientCapabilities'])

/** The members of `_meta` that a call of the proxy's own needs beside the caller's; undefined before 2026-07-28. */
export function envelopeOf({ text, meta }: ToolCall): string | undefined {
  const members = meta === undefined ? undefined : membersAt(text, meta.start)
  if (members === undefined || memberOf(members, PROTOCOL) === undefined) return undefined
  return members
    .filter(({ name }) => MEMBERS.has(name))
    .map((member) => text.slice(member.nameStart, member.end))
    .join(',')
}
