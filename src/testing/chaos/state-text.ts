import { OnefoldError } from '../../error/index.ts'

/** An end state as JSON text. @throws OnefoldError INPUT_INVALID for what JSON cannot hold, and would compare equal without */
export function stateText(what: string, state: unknown): string {
  try {
    return JSON.stringify(state ?? null, (_name, value: unknown) => {
      if (value instanceof Map || value instanceof Set)
        throw new TypeError('it holds a Map or a Set; spread it into a list')
      return value
    })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new OnefoldError('INPUT_INVALID', `The ${what} is no JSON data: ${why}. Nothing was proven.`)
  }
}
