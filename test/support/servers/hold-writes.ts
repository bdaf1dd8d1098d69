import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'

/** Keeps a dynalite of `dynalite.process.ts` from taking writes, until what it answers is called or this process ends. */
export async function holdWrites(port: number): Promise<() => Promise<void>> {
  const hold = request({ host: '127.0.0.1', port, path: '/hold-writes', method: 'POST' })
  hold.flushHeaders()
  const [answer] = (await once(hold, 'response')) as [IncomingMessage]
  answer.resume()
  return async () => {
    const ended = once(answer, 'end')
    hold.end()
    await ended
  }
}
