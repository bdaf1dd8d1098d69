import type { RequestFacts } from './request.ts'

/** Headers by which a request asks for another method than its own. */
export const METHOD_OVERRIDES = ['x-http-method', 'x-http-method-override', 'x-method-override'] as const

const KNOWN: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'QUERY', 'POST', 'PUT', 'PATCH', 'DELETE'])

/** Methods that services may take a request for beside its own. What is no method counts as a POST. */
export const methodsAsked = (headers: RequestFacts['headers']): readonly string[] =>
  METHOD_OVERRIDES.flatMap((name) => {
    const asked = headers[name]?.trim().toUpperCase()
    return asked === undefined ? [] : [KNOWN.has(asked) ? asked : 'POST']
  })
