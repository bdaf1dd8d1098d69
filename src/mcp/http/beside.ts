import type { IncomingMessage } from 'node:http'

/** Bodies that are no JSON, whoever reads them. */
const FORMS = /^(?:application\/x-www-form-urlencoded|multipart\/)/i

/** Whether a request beside the endpoint has a body that a server could take for a message of MCP. */
export function mayHoldMessage({ headers }: IncomingMessage): boolean {
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  return hasBody && !FORMS.test(headers['content-type'] ?? '')
}

/** Whether it is one, or a batch of them. */
export function isMessage(body: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body))
    return (Array.isArray(value) ? value : [value]).some(
      (one) => typeof one === 'object' && one !== null && Object.hasOwn(one as object, 'jsonrpc'),
    )
  } catch {
    return false
  }
}

/** The JSON-RPC error for a message that came to another address than the endpoint's. */
export const notHere = (path: string, endpoint: string): string =>
  JSON.stringify({
    code: -32600,
    message: `Invalid request: MCP (Streamable HTTP) is served at ${endpoint} here, by POST. At ${path} nothing would be protected. Nothing was done.`,
    data: { type: 'INPUT_INVALID', effect: 'none', retryable: false },
  })
