import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A Messages API that is a script: it calls the tool, and when it is given a result it says so. Its first reply breaks
 * off after the call, once `mayBreak` resolves.
 */
export async function startModel(
  tool: string,
  input: unknown,
  mayBreak: () => Promise<void>,
): Promise<AsyncDisposable & { readonly url: string }> {
  let replies = 0
  const server = createServer((request, response) => {
    void (async () => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      replies += 1
      const { messages } = JSON.parse(body) as { messages: readonly { content: unknown }[] }
      const isDone = JSON.stringify(messages.at(-1)?.content).includes('tool_result')
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const event = (type: string, data: object): void =>
        void response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`)
      const usage = { input_tokens: 1, output_tokens: 1 }
      const message = { id: `msg_${replies}`, type: 'message', role: 'assistant', model: 'claude', content: [] }
      event('message_start', { message: { ...message, stop_reason: null, stop_sequence: null, usage } })
      const block = isDone
        ? { type: 'text', text: '' }
        : { type: 'tool_use', id: `toolu_${replies}`, name: tool, input: {} }
      event('content_block_start', { index: 0, content_block: block })
      const delta = isDone
        ? { type: 'text_delta', text: 'The return is refunded.' }
        : { type: 'input_json_delta', partial_json: JSON.stringify(input) }
      event('content_block_delta', { index: 0, delta })
      event('content_block_stop', { index: 0 })
      if (replies === 1) {
        event('content_block_start', { index: 1, content_block: { type: 'text', text: '' } })
        await mayBreak()
        return response.destroy()
      }
      event('message_delta', { delta: { stop_reason: isDone ? 'end_turn' : 'tool_use', stop_sequence: null }, usage })
      event('message_stop', {})
      response.end()
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
