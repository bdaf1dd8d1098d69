import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A warehouse that ships what it is asked to, every time, and can lose an answer. */
export interface Warehouse extends AsyncDisposable {
  readonly url: string
  /** Parcels that left, in the order in which they did. */
  parcels(): readonly string[]
  /** The next request is carried out; its answer never arrives. */
  loseNextAnswer(): void
}

export async function startWarehouse(): Promise<Warehouse> {
  const shipped: string[] = []
  let losesNext = false
  const server = createServer((request, response) => {
    void bodyOf(request).then(({ customer, item }) => {
      shipped.push(`${customer} ${item}`)
      const loses = losesNext
      losesNext = false
      if (loses) request.socket.destroy()
      else
        response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ parcel: shipped.length }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    parcels: () => shipped,
    loseNextAnswer: () => {
      losesNext = true
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<{ customer: string; item: string }> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return JSON.parse(text) as { customer: string; item: string }
}
