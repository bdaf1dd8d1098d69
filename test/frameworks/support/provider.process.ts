/**
 * A model provider: OpenAI's chat completions and Anthropic's messages, in JSON and as server-sent events. Every request
 * is a new sample with a new answer. Asked "charge ORDER" with tools, it calls `charge` until a result is no error.
 * Prints its port; ends with its parent's standard input.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { ProviderPlan } from './provider.ts'

interface Block {
  readonly type: string
  readonly text?: string
  readonly is_error?: boolean
  readonly content?: unknown
}
interface Body {
  readonly stream?: boolean
  readonly tools?: readonly unknown[]
  /** The tool runner sends only what is new, and names the message that it continues. */
  readonly thread?: { readonly previous_message_id?: string }
  readonly messages: readonly { readonly role: string; readonly content: string | readonly Block[] }[]
}

let samples = 0
let plan: ProviderPlan = {}
let seen: string[] = []
let release = (): void => {}
/** What each message with a tool was asked for. */
const asked = new Map<string, string>()

async function text(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}

const held = (): Promise<void> => new Promise((resolve) => (release = resolve))

const server = createServer((request, response) => {
  void (async () => {
    const body = await text(request)
    switch (request.url ?? '') {
      case '/plan':
        plan = JSON.parse(body) as ProviderPlan
        samples = 0
        seen = []
        return response.end('{}')
      case '/release':
        release()
        return response.end('{}')
      case '/seen':
        return response.end(JSON.stringify({ samples, seen }))
    }
    const sample = (samples += 1)
    seen.push(body)
    const fault = plan.faults?.[sample - 1]
    if (plan.delayMs !== undefined) await pause(plan.delayMs)
    if (fault === 'refuse') {
      response.writeHead(500, { 'content-type': 'application/json', 'x-should-retry': 'false' })
      return response.end('{"error":{"type":"api_error","message":"boom"}}')
    }
    const wanted = JSON.parse(body) as Body
    if (request.url?.includes('/chat/completions') === true) await chat(wanted, sample, response, fault)
    else await messages(wanted, sample, response, fault)
  })()
})

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

const pieces = (sample: number): readonly string[] => Array.from({ length: 6 }, (_, at) => `s${sample}.${at} `)

async function chat({ stream }: Body, sample: number, response: ServerResponse, fault?: string | null): Promise<void> {
  const base = { id: 'c', created: 1, model: 'm' }
  const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 }
  if (stream !== true) {
    const message = { role: 'assistant', content: `answer-${sample}`, refusal: null }
    const choices = [{ index: 0, finish_reason: 'stop', message, logprobs: null }]
    return json(response, { ...base, object: 'chat.completion', choices, usage })
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const event = (choices: readonly unknown[], more = {}): void =>
    void response.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices, ...more })}\n\n`)
  for (const [at, content] of pieces(sample).entries()) {
    if (at === plan.holdAfter) await held()
    event([{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }])
  }
  if (fault === 'overloaded')
    return void response.end('data: {"error":{"type":"server_error","message":"overloaded"}}\n\n')
  event([{ index: 0, delta: {}, finish_reason: 'stop' }])
  event([], { usage })
  response.end('data: [DONE]\n\n')
}

async function messages(body: Body, sample: number, response: ServerResponse, fault?: string | null): Promise<void> {
  const content = blocksFor(body, sample)
  const isCall = content.some(({ type }) => type === 'tool_use')
  const usage = { input_tokens: 3, output_tokens: 5 }
  const message = { id: `m${sample}`, type: 'message', role: 'assistant', model: 'm', stop_sequence: null }
  const whole = { ...message, content, stop_reason: isCall ? 'tool_use' : 'end_turn', usage }
  if (body.stream !== true) return json(response, whole)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const event = (type: string, data: object): void =>
    void response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`)
  event('message_start', { message: { ...whole, content: [], stop_reason: null } })
  for (const [index, block] of content.entries()) {
    const { input } = block as { input?: unknown }
    const isText = block.type === 'text'
    event('content_block_start', {
      index,
      content_block: isText ? { type: 'text', text: '' } : { ...block, input: {} },
    })
    const delta = isText
      ? { type: 'text_delta', text: block.text }
      : { type: 'input_json_delta', partial_json: JSON.stringify(input) }
    event('content_block_delta', { index, delta })
    event('content_block_stop', { index })
    if (index + 1 === plan.holdAfter) await held()
  }
  if (fault === 'cut') {
    event('content_block_start', { index: content.length, content_block: { type: 'text', text: '' } })
    await held()
    response.destroy()
    return
  }
  if (fault === 'overloaded') {
    event('error', { error: { type: 'overloaded_error', message: 'overloaded' } })
    return void response.end()
  }
  event('message_delta', {
    delta: { stop_reason: whole.stop_reason, stop_sequence: null },
    usage: { output_tokens: 5 },
  })
  event('message_stop', {})
  response.end()
}

/** What Anthropic's model answers: a call of the tool, or text. */
function blocksFor({ tools = [], thread, messages: history }: Body, sample: number): readonly Block[] {
  const last = history.at(-1)?.content
  const results = Array.isArray(last) ? (last as readonly Block[]).filter(({ type }) => type === 'tool_result') : []
  const gaveUp = JSON.stringify(results).includes('Do not call it again')
  const isAnswered = results.length > 0 && (gaveUp || results.every(({ is_error: isError }) => isError !== true))
  const continued = asked.get(thread?.previous_message_id ?? '')
  if (tools.length === 0 && continued === undefined)
    return pieces(sample).map((piece) => ({ type: 'text', text: piece }))
  if (isAnswered && (plan.repeats ?? 0) < sample) return [{ type: 'text', text: 'Done.' }]
  const first = history[0]?.content
  const order = continued ?? (typeof first === 'string' ? first : (first?.[0]?.text ?? '')).replace('charge ', '')
  asked.set(`m${sample}`, order)
  const input = { order, amount: 100 }
  return Array.from({ length: plan.calls ?? 1 }, (_, at) => ({
    type: 'tool_use',
    id: `toolu_${process.pid}_${Date.now()}_${sample}_${at}`,
    name: 'charge',
    input,
  }))
}

server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
process.stdin.resume().on('end', () => process.exit(0))
