/**
 * The program of `faultyMcp`: `node faulty-mcp.process.js CONTROL COMMAND [ARGS…]`. Passes lines both ways; asks CONTROL
 * about each tool call.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { ProxyFault } from './plan.ts'

interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: { readonly name?: string; readonly arguments?: unknown }
}

const [control = '', command = '', ...args] = process.argv.slice(2)
/** A group of its own, so that a server behind `npx` or a shell ends with them; Windows has no groups. */
const hasGroup = process.platform !== 'win32'
const server = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: hasGroup })
/** Between the server's input being closed, SIGTERM and SIGKILL. */
const GRACE_MS = 1_000
/** What the answers to these calls meet. */
const faults = new Map<string | number, ProxyFault>()
let copies = 0

const toServer = (line: string): void => void server.stdin.write(`${line}\n`)
const toClient = (line: string): void => {
  if (!dying) process.stdout.write(`${line}\n`)
}

let dying = false

/** Ends when the server is really gone: what is started after it may need its port. */
function die(): void {
  dying = true
  signal('SIGKILL')
}

function signal(name: NodeJS.Signals): void {
  try {
    if (hasGroup && server.pid !== undefined) process.kill(-server.pid, name)
    else server.kill(name)
  } catch {
    // It is gone already.
  }
}

let ending = false

/** The client is gone: a server that does not end with its input would be left behind. */
function end(): void {
  if (ending) return
  ending = true
  server.stdin.end()
  setTimeout(() => signal('SIGTERM'), GRACE_MS)
  setTimeout(() => signal('SIGKILL'), 2 * GRACE_MS)
}

const unavailable = (id: string | number): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    id,
    result: { isError: true, content: [{ type: 'text', text: '503 service unavailable' }] },
  })

async function fromClient(line: string): Promise<void> {
  const message = read(line)
  if (message?.method !== 'tools/call' || message.id === undefined) return toServer(line)
  const call = { tool: message.params?.name ?? '', arguments: message.params?.arguments }
  const answer = await fetch(`${control}/call`, { method: 'POST', body: JSON.stringify(call) })
  const fault = (await answer.text()) as ProxyFault | ''
  if (fault === 'lost-request') return
  if (fault === 'crash-before') return die()
  if (fault === 'error-before') return toClient(unavailable(message.id))
  if (fault !== '') faults.set(message.id, fault)
  toServer(line)
  if (fault !== 'duplicate') return
  const copy = `faulty-copy-${++copies}`
  faults.set(copy, 'lost-answer')
  toServer(JSON.stringify({ ...message, id: copy }))
}

async function fromServer(line: string): Promise<void> {
  const message = read(line)
  // What the server asks of the client has ids of the server's own.
  const id = message?.method === undefined ? message?.id : undefined
  const fault = id === undefined ? undefined : faults.get(id)
  if (id !== undefined) faults.delete(id)
  switch (fault) {
    case 'lost-answer':
      return
    case 'crash-after':
      return die()
    case 'reset-mid-body':
      process.stdout.write(line.slice(0, line.length >> 1), die)
      return
    case 'error-after':
      return toClient(unavailable(id as string | number))
    case 'delay':
      await fetch(`${control}/held`)
      return toClient(line)
    default:
      return toClient(line)
  }
}

function read(line: string): Message | undefined {
  try {
    return JSON.parse(line) as Message
  } catch {
    return undefined
  }
}

createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on('line', (line) => void fromClient(line))
  .on('close', end)
createInterface({ input: server.stdout, crlfDelay: Infinity }).on('line', (line) => void fromServer(line))
server.stdin.on('error', () => undefined)
server.on('error', (error) => {
  process.stderr.write(`${command} cannot be started: ${error.message}\n`)
  process.exit(127)
})
server.on('exit', (code) => {
  signal('SIGKILL')
  // What left the group may hold the output open for ever.
  setTimeout(() => process.exit(code ?? 1), GRACE_MS)
})
server.on('close', (code) => process.exit(code ?? 1))
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, end)
