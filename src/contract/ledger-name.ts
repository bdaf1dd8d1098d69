import { fingerprintText } from '../key/index.ts'

const LONGEST_NAME = 128

/**
 * The name of a server's tool in the ledger: `server:tool` in visible ASCII without blanks and percent signs, as a
 * contract's name demands. Distinct pairs stay distinct: the first colon ends the server's name.
 */
export function ledgerName(server: string, tool: string): string {
  const name = `${encoded(server).replaceAll(':', '%3A').replace(OWN, hexOfFirst)}:${encoded(tool)}`
  return name.length <= LONGEST_NAME
    ? name
    : `${name.slice(0, LONGEST_NAME - 13)}~${fingerprintText(name).slice(0, 12)}`
}

/** Beginnings of names that the ledger keeps for itself. */
const OWN = /^(?:near$|onefold\.)/

const hexOfFirst = (name: string): string => `%${name.charCodeAt(0).toString(16).toUpperCase()}${name.slice(1)}`

const encoded = (name: string): string =>
  name.replace(/[^\x21-\x24\x26-\x7e]/gu, (odd) => encodeURIComponent(odd.toWellFormed()))
