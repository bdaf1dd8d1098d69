import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A payment provider that honours `Idempotency-Key`, counts what it does, and loses the answer of its first refund. */
export interface Provider extends AsyncDisposable {
  readonly url: string
  /** Refunds that really happened, in its own books. */
  readonly refunds: () => readonly { readonly charge: string; readonly amount: number }[]
  /** Requests that arrived. */
  readonly requests: () => number
}

export async function startProvider(): Promise<Provider> {
  const books: { charge: string; amount: number }[] = []
  const answers = new Map<string, string>()
  let requests = 0
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      requests++
      const key = String(request.headers['idempotency-key'])
      const known = answers.get(key)
      const answer = known ?? JSON.stringify({ id: `re_${books.length + 1}`, ...body })
      if (known === undefined) {
        books.push(body)
        answers.set(key, answer)
      }
      if (requests === 1) request.socket.destroy()
      else response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refunds: () => books,
    requests: () => requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<{ charge: string; amount: number }> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return JSON.parse(text) as { charge: string; amount: number }
}
