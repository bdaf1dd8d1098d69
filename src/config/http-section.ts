import { parseDuration, type Duration } from '../contract/index.ts'
import {
  HTTP_DEFAULTS,
  isNeverReplayed,
  type DeclaredRoute,
  type HttpRules,
  type PrincipalRule,
} from '../http/exchange/index.ts'
import type { HttpConfig, HttpLimitsConfig } from './config.ts'
import { readErrors } from './http-errors.ts'
import { readRoute } from './http-route.ts'
import type { Reader, Value } from './reader.ts'
import { refuseUnreachable } from './unreachable.ts'
import { upstreamUrl } from './upstream-url.ts'

const WORDS = [
  'name',
  'upstream',
  'profile',
  'strict',
  'principal',
  'tenantHeader',
  'accountHeaders',
  'hosts',
  'preserveHost',
  'clientTimeout',
  'unknownRoutes',
  'errors',
  'replayHeaders',
  'resendHeaders',
  'limits',
  'routes',
] as const

/** Reads the `http:` section. */
export function readHttp(reader: Reader, value: Value | undefined, quarantineMs: number): HttpConfig {
  const words = value === undefined ? {} : reader.known(value, WORDS)
  return {
    name: words.name === undefined ? undefined : readName(reader, words.name),
    upstream: words.upstream === undefined ? undefined : readUpstream(reader, words.upstream),
    rules: readRules(reader, words),
    routes: words.routes === undefined ? [] : readRoutes(reader, words.routes, quarantineMs),
    hosts: words.hosts === undefined ? [] : reader.texts(words.hosts),
    preserveHost: words.preserveHost === undefined ? false : readFlag(reader, words.preserveHost),
    clientTimeout: words.clientTimeout === undefined ? undefined : reader.duration(words.clientTimeout),
    limits: words.limits === undefined ? {} : readLimits(reader, words.limits),
  }
}

function readRoutes(reader: Reader, value: Value, quarantineMs: number): readonly DeclaredRoute[] {
  const values = reader.list(value)
  const routes = values.map((route) => readRoute(reader, route, quarantineMs))
  refuseUnreachable(reader, values, routes)
  return routes
}

type Words = { readonly [Word in (typeof WORDS)[number]]?: Value }

function readRules(reader: Reader, words: Words): HttpRules {
  const unknown =
    words.unknownRoutes === undefined ? {} : reader.known(words.unknownRoutes, ['mode', 'afterDelivery', 'afterError'])
  const { unknownRoutes } = HTTP_DEFAULTS
  return {
    profile:
      words.profile === undefined
        ? HTTP_DEFAULTS.profile
        : reader.choice(words.profile, ['ietf', 'stripe', 'acp', 'ucp']),
    strict: words.strict === undefined ? HTTP_DEFAULTS.strict : readFlag(reader, words.strict),
    principal: words.principal === undefined ? HTTP_DEFAULTS.principal : readPrincipal(reader, words.principal),
    tenantHeader: words.tenantHeader === undefined ? undefined : readHeader(reader, words.tenantHeader),
    accountHeaders:
      words.accountHeaders === undefined
        ? []
        : reader.list(words.accountHeaders).map((header) => readHeader(reader, header)),
    unknownRoutes: {
      mode:
        unknown.mode === undefined ? unknownRoutes.mode : reader.choice(unknown.mode, ['guarded', 'blocked', 'open']),
      afterDelivery:
        unknown.afterDelivery === undefined
          ? unknownRoutes.afterDelivery
          : reader.choice(unknown.afterDelivery, ['run', 'replay', 'hold']),
      afterError:
        unknown.afterError === undefined
          ? unknownRoutes.afterError
          : reader.choice(unknown.afterError, ['hold', 'run']),
    },
    errors: words.errors === undefined ? [] : readErrors(reader, words.errors),
    replayHeaders: words.replayHeaders === undefined ? [] : readReplayed(reader, words.replayHeaders),
    resendHeaders:
      words.resendHeaders === undefined
        ? []
        : reader.list(words.resendHeaders).map((header) => readHeader(reader, header)),
  }
}

/** The address of what is behind. */
export function readUpstream(reader: Reader, value: Value): string {
  const text = reader.text(value)
  const url = upstreamUrl(text)
  if (url === 'no address') return reader.fail(value, 'is no address', 'Write http://127.0.0.1:3000')
  if (url === 'more than an address')
    return reader.fail(value, 'may hold a scheme, a host, a port and a path only', 'Take the rest out')
  return text
}

/** Who is told apart from whom. */
export function readPrincipal(reader: Reader, value: Value): PrincipalRule {
  if (!reader.isMap(value)) return reader.choice<'authorization' | 'none'>(value, ['authorization', 'none'])
  const words = reader.known(value, ['header', 'cookie'])
  if (words.header !== undefined) return { header: readHeader(reader, words.header) }
  if (words.cookie !== undefined) return { cookie: reader.text(words.cookie) }
  return reader.fail(value, 'says nothing', 'Write authorization, none, { header: x-user-id } or { cookie: session }')
}

/** A header's name, in lower case. */
export function readHeader(reader: Reader, value: Value): string {
  const name = reader.text(value)
  if (name.length <= 128 && /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/.test(name)) return name.toLowerCase()
  return reader.fail(value, 'is no name of a header', 'Write x-user-id')
}

function readReplayed(reader: Reader, value: Value): readonly string[] {
  return reader.list(value).map((one) => {
    const name = readHeader(reader, one)
    return isNeverReplayed(name)
      ? reader.fail(one, `names ${name}, which concerns one client or one connection`, 'Take it out')
      : name
  })
}

function readFlag(reader: Reader, value: Value): boolean {
  const found = reader.plain(value)
  return typeof found === 'boolean' ? found : reader.fail(value, 'must be true or false', 'Write true')
}

/** The name of a service or a server, as contracts and the ledger have it. */
export function readName(reader: Reader, value: Value): string {
  const name = reader.text(value)
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return name
  return reader.fail(value, 'must be a plain name', 'Write 1 to 64 letters, digits, dots, dashes')
}

const COUNTS = [
  'bodyBytes',
  'memoryBytes',
  'answerBytes',
  'headers',
  'headerBytes',
  'waiters',
  'connections',
  'floodDuplicates',
] as const
const TIMES = { headersTimeout: 'headersMs', requestTimeout: 'requestMs', floodWindow: 'floodWindowMs' } as const

function readLimits(reader: Reader, value: Value): HttpLimitsConfig {
  const words = reader.known(value, [...COUNTS, 'headersTimeout', 'requestTimeout', 'floodWindow'])
  const limits: Record<string, number> = {}
  for (const word of COUNTS) {
    const found = words[word]
    if (found !== undefined) limits[word] = reader.wholeNumber(found, 1)
  }
  for (const [word, name] of Object.entries(TIMES)) {
    const found = words[word as keyof typeof TIMES]
    if (found === undefined) continue
    const duration: Duration = reader.duration(found)
    limits[name] = parseDuration(duration)
    if (limits[name] === 0) reader.fail(found, 'cannot be 0', 'Write 30s')
  }
  return limits
}
