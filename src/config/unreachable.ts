import { hiddenRoute, type DeclaredRoute } from '../http/exchange/index.ts'
import type { Reader, Value } from './reader.ts'

/**
 * Refuses a route whose every request an earlier one takes, and says where it stands.
 * @throws OnefoldError CONFIG_INVALID
 */
export function refuseUnreachable(reader: Reader, values: readonly Value[], routes: readonly DeclaredRoute[]): void {
  const hidden = hiddenRoute(routes.map(({ match }) => match))
  if (hidden === undefined) return
  reader.fail(
    values[hidden.at] as Value,
    `is never reached: the first route that fits is taken, and ${hidden.before} before it fits all its requests`,
    'Put it before that one, or take one of them out',
  )
}
