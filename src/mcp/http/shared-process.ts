import { UnsentError } from '../../engine/index.ts'
import { writeAnswer } from '../../http/edge/index.ts'
import { HttpRefused } from '../proxy/http-refused.ts'
import { callsOver, type OwnCalls } from '../proxy/own-calls.ts'
import type { RequestAbout, UpstreamAnswer } from '../proxy/upstream.ts'
import type { Exchange } from './backend.ts'
import { mismatch, type ServerFacts } from './mirrors.ts'
import type { StdioProcess } from './stdio-process.ts'

/** The one process that answers all requests that stand alone (MCP 2026-07-28); started when there is a first. */
export interface SharedProcess {
  pass(exchange: Exchange): Promise<void>
  send(
    exchange: Exchange,
    build: (id: string) => string,
    beforeByte: () => void,
    about: RequestAbout,
  ): Promise<UpstreamAnswer>
  own(envelope: string): OwnCalls
  isWorkingOn(operation: string): boolean
  close(graceMs: number): Promise<void>
}

export function createSharedProcess(
  start: () => StdioProcess,
  facts: ServerFacts,
  tell: (message: string) => void,
): SharedProcess {
  let current: StdioProcess | undefined
  let closing = false

  /** @throws UnsentError where it cannot be started */
  async function running(): Promise<StdioProcess> {
    if (closing) throw new UnsentError('the proxy is stopping; nothing was sent')
    if (current === undefined) {
      const started = start()
      current = started
      void started.upstream.exited.then(({ code, signal }) => {
        if (current === started) current = undefined
        if (!closing) tell(`the MCP server ended (${signal ?? `status ${code}`}); the next request starts another`)
      })
    }
    const process = current
    try {
      await process.upstream.started
    } catch (cause) {
      if (current === process) current = undefined
      tell(`cannot start the MCP server: ${cause instanceof Error ? cause.message : String(cause)}`)
      throw new UnsentError('the MCP server cannot be started; nothing was sent', { cause })
    }
    return process
  }

  return {
    async pass({ incoming, outgoing, body, message, id, relay }) {
      const text = body.toString('utf8')
      const refusal = mismatch(incoming, text, id, facts)
      if (refusal !== undefined) return writeAnswer(outgoing, refusal)
      const process = await running()
      if (id === undefined) {
        process.tell(text)
        outgoing.writeHead(202).end()
        return
      }
      const method = message.kind === 'other' ? (message.method ?? '') : 'tools/call'
      const takeBack = process.ask(text, id, method, relay)
      outgoing.once('close', () => {
        if (!outgoing.writableFinished) takeBack()
      })
    },
    async send({ incoming, message, id, relay }, build, beforeByte, about) {
      const process = await running()
      const text = message.kind === 'call' ? message.text : ''
      const refusal = mismatch(incoming, text, id, facts)
      if (refusal !== undefined) throw new HttpRefused(refusal)
      const { written, ended } = process.accompany(text, relay)
      try {
        return await process.upstream.request((id) => written(build(id)), beforeByte, about)
      } finally {
        ended()
      }
    },
    own: (envelope) => ({
      call: async (given, beforeByte, about) =>
        await callsOver((await running()).upstream, () => envelope).call(given, beforeByte, about),
      isWorkingOn: (operation) => current?.upstream.isWorkingOn(operation) === true,
    }),
    isWorkingOn: (operation) => current?.upstream.isWorkingOn(operation) === true,
    async close(graceMs) {
      closing = true
      await current?.upstream.stop(graceMs)
    },
  }
}
