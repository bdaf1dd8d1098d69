import type { ProviderHosts, RetryBudget } from '../downstream/index.ts'
import { OnefoldError } from '../error/index.ts'

/** How `onefold/register` behaves. */
export interface RegisterSettings {
  /** Physical retries of writes that are allowed. @default 5 for a call of a tool, 50 for a run */
  readonly budget?: RetryBudget
  /** Providers behind hosts that the table does not know. @default none; such a host is given `Idempotency-Key` */
  readonly providers?: ProviderHosts
  /** Hosts that are left alone: neither counted nor changed (collectors of traces). @default none */
  readonly ignore?: readonly string[]
  /** `'stderr'`, or a file that is given the report as JSON when the process exits. @default none */
  readonly report?: string
}

/**
 * Settings from the environment: `ONEFOLD_RETRIES_CALL` and `ONEFOLD_RETRIES_RUN` (whole numbers), `ONEFOLD_IGNORE`
 * (hosts with commas between), `ONEFOLD_PROVIDERS` (`host=stripe,host=Header-Name`), `ONEFOLD_ATTEMPTS` (`stderr`, or a
 * file). @throws OnefoldError CONFIG_INVALID naming the variable
 */
export function settingsOf(environment: Readonly<Record<string, string | undefined>>): RegisterSettings {
  const call = whole(environment, 'ONEFOLD_RETRIES_CALL')
  const run = whole(environment, 'ONEFOLD_RETRIES_RUN')
  const report = environment['ONEFOLD_ATTEMPTS']
  const providers = listed(environment['ONEFOLD_PROVIDERS']).map(providerOf)
  return {
    budget: { ...(call === undefined ? {} : { call }), ...(run === undefined ? {} : { run }) },
    providers: Object.fromEntries(providers),
    ignore: listed(environment['ONEFOLD_IGNORE']),
    ...(report === undefined || report === '' ? {} : { report: report === '1' ? 'stderr' : report }),
  }
}

const listed = (text = ''): readonly string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

function whole(environment: Readonly<Record<string, string | undefined>>, name: string): number | undefined {
  const text = environment[name]
  if (text === undefined || text === '') return undefined
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new OnefoldError('CONFIG_INVALID', `${name} is ${text}; it must be a whole number from 0.`)
}

/** A name with a capital letter or a dash before a capital is a header; a name in small letters is a row of the table. */
function providerOf(pair: string): readonly [string, ProviderHosts[string]] {
  const [host = '', name = ''] = pair.split('=')
  if (host === '' || name === '') {
    throw new OnefoldError(
      'CONFIG_INVALID',
      `ONEFOLD_PROVIDERS holds ${pair}; it must be host=provider or host=Header.`,
    )
  }
  if (name === 'none') return [host, false]
  return [host, /[A-Z]/.test(name) ? { header: name } : name]
}
