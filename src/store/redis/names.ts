import { createHash } from 'node:crypto'
import { OnefoldError } from '../../error/index.ts'

const PREFIX = /^[A-Za-z0-9_.:-]{1,64}$/

/** @throws OnefoldError CONFIG_INVALID for a prefix that could not stand in a hash tag or a pattern of an access list */
export function checkedPrefix(prefix: string): string {
  if (PREFIX.test(prefix)) return prefix
  throw new OnefoldError(
    'CONFIG_INVALID',
    `The prefix ${JSON.stringify(prefix)} cannot name a ledger in Redis: use 1 to 64 of A-Z a-z 0-9 _ . : - (no braces). Nothing was started.`,
  )
}

const PLAIN = /^[\w\-.:~@/+=]*$/
// oxlint-disable-next-line no-control-regex -- control characters are what has to go
const ODD = /[\\\s\u0000-\u001f\u007f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
const ESCAPED = /\\([0-9a-f]+);/g

/** Text as one word: without blanks, control characters and lone surrogates (which UTF-8 has not). One to one. */
export function toWord(text: string): string {
  if (PLAIN.test(text)) return text
  return text.replace(ODD, (unit) => `\\${unit.charCodeAt(0).toString(16)};`)
}

/** The inverse of {@link toWord}. */
export function fromWord(word: string): string {
  if (!word.includes('\\')) return word
  return word.replace(ESCAPED, (_, unit: string) => String.fromCharCode(Number.parseInt(unit, 16)))
}

/** A record's name in the indexes, and behind the names of its keys. */
export const memberOf = (key: string, tenant: string): string => `${toWord(tenant)} ${toWord(key)}`

/** The inverse of {@link memberOf}. */
export function fromMember(member: string): { readonly key: string; readonly tenant: string } {
  const blank = member.indexOf(' ')
  return { tenant: fromWord(member.slice(0, blank)), key: fromWord(member.slice(blank + 1)) }
}

/** What stands for a run in a record's head and in the name of its index; `-` for none. */
export const runWord = (run: string | undefined): string => (run === undefined ? '-' : `=${toWord(run)}`)

/** All keys of one partition begin with this hash tag, so that they lie in one slot and one script may touch them. */
export const baseOf = (prefix: string, partition: number): string => `{${prefix}.${partition}}`

export const channelOf = (prefix: string, key: string): string => `${prefix}!${toWord(key)}`

/** Where versions before ownership kept bytes, by content alone: still read, and nobody's to erase. */
export const oldBlobKey = (prefix: string, sha256: string): string => `{${prefix}.b.${toWord(sha256)}}`

/** Where a record lies. For ever the same for one number of partitions, which the ledger keeps. */
export function partitionOf(member: string, partitions: number): number {
  if (partitions === 1) return 0
  return createHash('sha256').update(member).digest().readUInt32BE(0) % partitions
}
