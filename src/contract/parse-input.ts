import { OnefoldError } from '../error/index.ts'
import type { StandardSchemaV1 } from './standard-schema.ts'

const MOST_ISSUES = 5

function pathOf(issue: StandardSchemaV1.Issue): string {
  let path = '$'
  for (const segment of issue.path ?? []) {
    const key = typeof segment === 'object' ? segment.key : segment
    path += typeof key === 'number' ? `[${key}]` : `.${String(key)}`
  }
  return path
}

function refuse(name: string, issues: readonly StandardSchemaV1.Issue[]): never {
  const shown = issues.slice(0, MOST_ISSUES).map((issue) => `${pathOf(issue)}: ${issue.message}`)
  const more = issues.length > MOST_ISSUES ? `; and ${issues.length - MOST_ISSUES} more` : ''
  throw new OnefoldError(
    'INPUT_INVALID',
    `The input of ${name} is not valid: ${shown.join('; ')}${more}. Nothing was done; correct the input and call again.`,
    { details: { contract: name, path: issues[0] === undefined ? '$' : pathOf(issues[0]), paths: issues.map(pathOf) } },
  )
}

function settle(name: string, result: StandardSchemaV1.Result<unknown>): unknown {
  return result.issues === undefined ? result.value : refuse(name, result.issues)
}

function thrown(name: string, cause: unknown): OnefoldError {
  if (cause instanceof OnefoldError) return cause
  return new OnefoldError(
    'INPUT_INVALID',
    `The schema of ${name} threw while it checked the input. Nothing was done.`,
    {
      details: { contract: name, path: '$' },
      cause,
    },
  )
}

/**
 * Validates an input with a Standard Schema, at once where the schema answers at once.
 * @throws OnefoldError INPUT_INVALID with the paths of what is wrong
 */
export function parseInput(name: string, schema: StandardSchemaV1, input: unknown): unknown {
  try {
    const result = schema['~standard'].validate(input)
    if (!(result instanceof Promise)) return settle(name, result)
    return result.then(
      (answer) => settle(name, answer),
      (cause: unknown) => {
        throw thrown(name, cause)
      },
    )
  } catch (cause) {
    throw thrown(name, cause)
  }
}
