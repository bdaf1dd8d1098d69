import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A travel service that honours `Idempotency-Key`, sells out of cars, and loses the answer of its first booking. */
export interface Service extends AsyncDisposable {
  readonly url: string
  /** What happened, in order. */
  readonly books: () => readonly string[]
}

export async function startService(): Promise<Service> {
  const books: string[] = []
  const answers = new Map<string, string>()
  let requests = 0
  const server = createServer((request, response) => {
    void textOf(request).then((body) => {
      requests += 1
      if (request.url === '/cars') return void response.writeHead(422).end('{"error":"no car left"}')
      const key = String(request.headers['idempotency-key'])
      const known = answers.get(key)
      if (known === undefined) books.push(`${request.method} ${request.url} ${body}`)
      answers.set(key, known ?? JSON.stringify({ id: `b${books.length}` }))
      if (requests === 1) request.socket.destroy()
      else response.writeHead(200).end(answers.get(key))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    books: () => books,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
